import type { NodePlan, OSUpgrade, PinnedImage } from '../api/monok8s/index.ts';
import { toPlanImage } from './plan-image.ts';
import type { Request, Target } from './request.ts';
import { rolloutKeyOf } from './rollout-key.ts';
import { selectorOf } from './selector.ts';
import { isSameVersion } from './version.ts';
import { judgeVersionChange } from './version-change.ts';

const FIELDS: Request['fields'] = {
  nodeSelector: 'spec.nodeSelector',
  maxUnavailable: 'spec.maxUnavailable',
  timeWindow: 'spec.timeWindow',
  targetVersion: 'spec.version',
  forcesEviction: { unmanaged: 'spec.drain.force', localData: 'spec.drain.deleteEmptyDirData' },
};

/** An `OSUpgrade` in the terms of rollouts. */
export function requestOfOSUpgrade({ apiVersion, metadata, spec, status }: OSUpgrade): Request {
  return {
    kind: 'OSUpgrade',
    apiVersion,
    metadata,
    title: `OSUpgrade ${metadata.name}`,
    status,
    rolloutKey: rolloutKeyOf(spec),
    isTargetKnown: status?.image !== undefined,
    isPaused: spec.paused,
    timeWindow: spec.timeWindow,
    mistake: undefined,
    maxUnavailable: spec.maxUnavailable,
    drain: spec.drain,
    pace: { isSerial: false, intervalMs: 0 },
    followsControlPlane: true,
    fields: FIELDS,
    selector: { nodeSelector: spec.nodeSelector },
    selects: selectorOf({ nodeSelector: spec.nodeSelector }),
    runningVersion: ({ version }) => version,
    runningBootId: ({ agentBootId }) => agentBootId,
    isAtVersion: ({ version }, wanted) => isSameVersion(version, wanted),
    judgeChange: ({ version }, { targetVersion }) => judgeVersionChange(version, targetVersion),
  };
}

/** What a pinned entry of a catalog brings to the nodes. */
export const targetOfImage = (image: PinnedImage): Target => ({
  version: image.version,
  plan: {
    kind: 'upgrade',
    targetVersion: image.version,
    versionField: 'VERSION_ID' satisfies NodePlan['versionField'],
    image: toPlanImage(image),
  },
});
