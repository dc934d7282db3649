import { createHash } from 'node:crypto';
import type { OSUpgradeSpec } from '../api/monok8s/index.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

const sorted = (fields: Readonly<Record<string, string | undefined>>): [string, string | undefined][] =>
  Object.entries(fields).toSorted(([left], [right]) => (left < right ? -1 : 1));

/** A digest of the fields whose change is a new rollout. Pausing, budget, window and drain steer the one that runs. */
export const rolloutKeyOf = ({ version, nodeSelector, catalog }: OSUpgradeSpec): string =>
  digestOf([version, sorted(nodeSelector), sorted(catalog)]);

/** A short digest of a list of values; another list has another one. */
export const digestOf = (values: readonly unknown[]): string => sha256(JSON.stringify(values)).slice(0, 16);

/** What a progress object's name is made of. */
export interface ProgressIdentity {
  readonly sourceUid: string;
  readonly nodeUid: string;
  readonly rollout: number;
}

/** `osupgrade-abc123f`: the same for the same rollout on the same node, so that creating twice is harmless. */
export const progressNameOf = ({ sourceUid, nodeUid, rollout }: ProgressIdentity, digits = 7): string =>
  `osupgrade-${sha256(`${sourceUid}/${nodeUid}/${rollout}`).slice(0, digits)}`;

/** Value of the node's annotation that remembers which rollout acted last. */
export const rolloutMark = (sourceUid: string, rollout: number): string => `${sourceUid}/${rollout}`;
