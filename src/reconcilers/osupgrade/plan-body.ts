import {
  API_VERSION,
  type Gate,
  type NodePlan,
  type OSUpgrade,
  type OSUpgradeStatus,
} from '../../api/monok8s/index.ts';
import type { NodeState } from '../../domain/node-state.ts';
import { PLAN_LIMITS, toPlanImage } from '../../domain/plan-image.ts';
import type { Refusal } from '../../domain/version-change.ts';

const CLOSED: Gate = { state: 'Closed', attempt: 0, since: null, reason: '', message: '' };

/** The plan of a request's rollout, its gate closed. */
export function planOf(request: OSUpgrade, status: OSUpgradeStatus): NodePlan {
  const { image } = status;
  return {
    kind: 'upgrade',
    rollout: status.rollout ?? 0,
    targetVersion: image?.version ?? request.spec.version,
    versionField: 'VERSION_ID',
    ...(image === undefined ? {} : { image: toPlanImage(image) }),
    limits: PLAN_LIMITS,
    gate: CLOSED,
  };
}

/** A plan that says why there is none: the agent takes the reason over into the status. */
export const refusedPlan = (plan: NodePlan, { reason, message }: Refusal, since: string): NodePlan => ({
  ...plan,
  gate: { state: 'Failed', attempt: 1, since, reason, message },
});

/** The object that makes a node's agent work. It lives as long as its node. */
export const progressBody = (name: string, request: OSUpgrade, node: NodeState, plan: NodePlan): object => ({
  apiVersion: API_VERSION,
  kind: 'OSUpgradeProgress',
  metadata: {
    name,
    ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: node.name, uid: node.uid }],
  },
  spec: {
    sourceRef: {
      name: request.metadata.name,
      kind: 'OSUpgrade',
      apiVersion: API_VERSION,
      uid: request.metadata.uid,
    },
    nodeName: node.name,
    plan,
  },
});
