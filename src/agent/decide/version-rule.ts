import type { NodePlan, OSUpgradeProgress } from '../../api/monok8s/index.ts';
import { inStyleOf, isSameVersion } from '../../domain/version.ts';
import type { OsRelease } from '../ports.ts';
import type { TrialRecord } from './records.ts';
import type { Snapshot } from './snapshot.ts';

/** Which text of a system is its version, and how it is compared. */
export interface VersionRule {
  /** The field of os-release. */
  readonly field: NodePlan['versionField'];
  /** To the letter, as the kubelet reports it to the API server; else as a version number, with or without `v`. */
  readonly isExact: boolean;
}

const EXACT: VersionRule = { field: 'PRETTY_NAME', isExact: true };

/**
 * The rule of a plan. PRETTY_NAME is a name, and compared as such; for version numbers the agent's settings say where
 * they stand.
 */
export const ruleOfPlan = (
  { settings }: Pick<Snapshot, 'settings'>,
  { versionField }: Pick<NodePlan, 'versionField'>,
): VersionRule => (versionField === 'PRETTY_NAME' ? EXACT : { field: settings.versionField, isExact: false });

/** The rule of an object, also of one that has no plan yet. */
export const ruleOfObject = (
  seen: Pick<Snapshot, 'settings'>,
  { spec }: Pick<OSUpgradeProgress, 'spec'>,
): VersionRule => {
  const versionField = spec.sourceRef.kind === 'OS' ? 'PRETTY_NAME' : 'VERSION_ID';
  return ruleOfPlan(seen, spec.plan ?? { versionField });
};

/** The rule that a trial was begun with. */
export const ruleOfTrial = ({ versionField, exactVersion = false }: TrialRecord): VersionRule => ({
  field: versionField,
  isExact: exactVersion,
});

/** The version of a system as it says it; empty if it does not. */
export const versionOf = (os: OsRelease | undefined, field: NodePlan['versionField']): string =>
  (field === 'PRETTY_NAME' ? os?.prettyName : os?.versionId) ?? '';

/** Whether a system is the version that is wanted. */
export function isVersion(
  os: OsRelease | undefined,
  target: string,
  { field, isExact }: VersionRule,
): boolean {
  const version = versionOf(os, field);
  return isExact ? version === target : isSameVersion(version, target);
}

/** The version of a system in the style of the one that is wanted: a name stays as it is. */
export function shownVersion(
  os: OsRelease | undefined,
  target: string,
  { field, isExact }: VersionRule,
): string {
  const version = versionOf(os, field);
  return isExact ? version : inStyleOf(target, version);
}
