import type { DrainPolicy } from '../api/monok8s/index.ts';
import type { Configs, OS, OSSpec } from '../api/openeuler/index.ts';
import type { NodeState } from './node-state.ts';
import { containerImageOf } from './os-image.ts';
import { steeringOf } from './os-steering.ts';
import { keyOf, type Request } from './request.ts';
import { digestOf } from './rollout-key.ts';
import { selectorOf } from './selector.ts';
import type { Refusal } from './version-change.ts';

const FIELDS: Request['fields'] = {
  nodeSelector: 'spec.nodeselector',
  maxUnavailable: 'spec.maxunavailable',
  timeWindow: 'spec.timewindow',
  targetVersion: 'spec.osversion',
  forcesEviction: { unmanaged: 'spec.evictpodforce', localData: 'spec.evictpodforce' },
};

/** An `OS` in the terms of rollouts. What is wrong in its spec is told by `targetOfOS`. */
export function requestOfOS({ apiVersion, metadata, spec, status }: OS): Request {
  return {
    kind: 'OS',
    apiVersion,
    metadata,
    title: `OS ${keyOf(metadata)}`,
    status,
    rolloutKey: rolloutKeyOfOS(spec),
    isTargetKnown: true,
    isPaused: false,
    ...steeringOf(spec),
    maxUnavailable: Math.max(1, spec.maxunavailable),
    drain: drainOf(spec),
    followsControlPlane: false,
    fields: FIELDS,
    selector: { nodeselector: spec.nodeselector },
    selects: selectorOf({ nodeselector: spec.nodeselector }),
    runningVersion: ({ osImage }) => osImage,
    runningBootId: ({ bootId }) => bootId,
    isAtVersion: ({ osImage }, wanted) => osImage === wanted,
    judgeChange: (node, plan) =>
      plan.kind === 'rollback'
        ? judgeRollback(node, plan.targetVersion)
        : judgeMajor(node.osImage, plan.targetVersion),
  };
}

/**
 * Every field whose change is a new rollout, as upstream's document has them, and those that go with them.
 * `dockerimage` and `containerimage` are one field with two names.
 */
export const rolloutKeyOfOS = (spec: OSSpec): string =>
  digestOf([
    spec.opstype,
    spec.osversion,
    spec.maxunavailable,
    spec.imagetype ?? '',
    spec.imageurl ?? '',
    spec.checksum ?? '',
    containerImageOf(spec),
    spec.flagSafe ?? false,
    spec.mtls ?? false,
    spec.cacert ?? '',
    spec.clientcert ?? '',
    spec.clientkey ?? '',
    spec.nodeselector,
    ...[spec.sysconfigs, spec.upgradeconfigs].filter(hasContent),
  ]);

/** Upstream's clients write an empty version and no list where nothing is wanted. */
export const hasContent = (configs: Configs | undefined): boolean =>
  Boolean(configs?.version) || (configs?.configs ?? []).length > 0;

/** @source upstream KubeOS's drain: `evictpodforce` lets bare pods and pods with an emptyDir go; absent counts as true */
function drainOf({ evictpodforce = true }: OSSpec): DrainPolicy {
  return { timeoutSeconds: 1800, force: evictpodforce, deleteEmptyDirData: evictpodforce, skip: false };
}

/** The first number in a version such as `KubeOS 1.0.0`; `undefined` if it has none. */
export const majorOf = (version: string): string | undefined => /\d+/.exec(version)?.[0];

/** @source upstream KubeOS's document: an upgrade across major versions is not supported */
function judgeMajor(current: string, target: string): Refusal | undefined {
  const [from, to] = [majorOf(current), majorOf(target)];
  if (from === undefined || to === undefined || Number(from) === Number(to)) return undefined;
  return {
    reason: 'MajorVersionChange',
    message: `${target} (spec.osversion) has another major version than ${current}, which the node runs: an upgrade stays within one major version; install the node anew to change it`,
  };
}

function judgeRollback(
  { osImage, otherPrettyName, hasReported }: NodeState,
  target: string,
): Refusal | undefined {
  if (!hasReported || osImage === target || otherPrettyName === target) return undefined;
  const holds = otherPrettyName === '' ? 'no readable system' : otherPrettyName;
  return {
    reason: 'RollbackImpossible',
    message: `the other slot holds ${holds}, not ${target} (spec.osversion): ask for what it holds, or set opstype to upgrade with an image of ${target}`,
  };
}
