import type { OS, OSSpec } from '../api/openeuler/index.ts';
import { StalledError } from './errors.ts';
import { imageOfOS } from './os-image.ts';
import type { Target } from './request.ts';
import { hasContent, majorOf } from './request-os.ts';

/**
 * What an `OS` brings to its nodes. What is wrong in a field that only steers the rollout is told by `steeringOf`.
 * @throws StalledError with the name of the field that has to be corrected
 */
export function targetOfOS(spec: OS['spec']): Target {
  if (spec.problem !== undefined)
    throw new StalledError('SpecInvalid', `spec: ${spec.problem.replaceAll('\n', ' ')}: correct the field`);
  assertSupported(spec);
  assertRight(spec);
  const common = { targetVersion: spec.osversion, versionField: 'PRETTY_NAME' as const };
  const plan =
    spec.opstype === 'rollback'
      ? { kind: 'rollback' as const, ...common }
      : { kind: 'upgrade' as const, ...common, image: imageOfOS(spec) };
  const isChecked = plan.kind === 'rollback' || majorOf(spec.osversion) !== undefined;
  return { version: spec.osversion, plan, ...(isChecked ? {} : { note: UNCHECKED }) };
}

const UNCHECKED = {
  reason: 'VersionUnchecked',
  message:
    'spec.osversion has no number, so that a change of the major version, which is not supported, cannot be told: make sure that it is none',
};

function assertSupported(spec: OSSpec): void {
  const refuse = (field: string): StalledError =>
    new StalledError(
      'ConfigUnsupported',
      `${field}: settings of nodes are not supported yet; remove the field, or set opstype to upgrade or rollback`,
    );
  if (spec.opstype === 'config') throw refuse('spec.opstype "config"');
  for (const field of ['sysconfigs', 'upgradeconfigs'] as const) {
    if (hasContent(spec[field])) throw refuse(`spec.${field}`);
  }
}

function assertRight(spec: OSSpec): void {
  if (spec.osversion.trim() === '')
    throw new StalledError(
      'VersionMissing',
      'spec.osversion is empty: give PRETTY_NAME of the wanted system, for example KubeOS 1.0.0',
    );
  if (spec.maxunavailable < 1)
    throw new StalledError(
      'MaxUnavailableInvalid',
      `spec.maxunavailable is ${spec.maxunavailable}: give the number of nodes that may be out of service at once, at least 1`,
    );
}
