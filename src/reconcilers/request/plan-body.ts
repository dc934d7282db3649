import { API_VERSION, type Gate, type NodePlan } from '../../api/monok8s/index.ts';
import type { NodeState } from '../../domain/node-state.ts';
import { PLAN_LIMITS } from '../../domain/plan-image.ts';
import type { Request, Target } from '../../domain/request.ts';
import type { Refusal } from '../../domain/version-change.ts';

const CLOSED: Gate = { state: 'Closed', attempt: 0, since: null, reason: '', message: '' };

/** The plan of a rollout, its gate closed. */
export const planOf = ({ plan }: Target, rollout: number): NodePlan => ({
  ...plan,
  rollout,
  limits: PLAN_LIMITS,
  gate: CLOSED,
});

/** A plan that says why there is none: the agent takes the reason over into the status. */
export const refusedPlan = (
  target: Target | undefined,
  rollout: number,
  gate: Refusal & { readonly since: string },
): NodePlan => ({
  kind: 'upgrade',
  targetVersion: '',
  versionField: 'VERSION_ID',
  ...target?.plan,
  rollout,
  limits: PLAN_LIMITS,
  gate: { state: 'Failed', attempt: 1, ...gate },
});

/** The object that makes a node's agent work. It lives as long as its node. */
export const progressBody = (name: string, request: Request, node: NodeState, plan: NodePlan): object => ({
  apiVersion: API_VERSION,
  kind: 'OSUpgradeProgress',
  metadata: {
    name,
    ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: node.name, uid: node.uid }],
  },
  spec: { sourceRef: sourceRefOf(request), nodeName: node.name, plan },
});

const sourceRefOf = ({ kind, apiVersion, metadata: { name, namespace, uid } }: Request): object => ({
  name,
  kind,
  apiVersion,
  uid,
  ...(namespace === undefined ? {} : { namespace }),
});
