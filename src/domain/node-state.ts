import { CORDONED_BY_ANNOTATION } from '../api/monok8s/index.ts';
import type { OSInstanceSpec } from '../api/openeuler/index.ts';
import type { NodeFacts } from './node.ts';
import type { Refusal } from './version-change.ts';

/** Label of control-plane nodes, whatever its value. */
const CONTROL_PLANE_LABEL = 'node-role.kubernetes.io/control-plane';

/** A node together with what its agent says of it. */
export interface NodeState extends NodeFacts {
  /** The agent has told of its node at least once. */
  readonly hasReported: boolean;
  /** Why the node's slots or boot loader cannot be used, as the agent found them. */
  readonly slotsProblem?: Refusal;
  /** An agent pod exists on the node. */
  readonly hasAgentPod: boolean;
  /** The pod of upstream KubeOS's agent on the node, if one runs there: it would write to the same slot. */
  readonly upstreamProxy?: string;
  /** Version of the booted slot as the agent read it; empty if it is not known. */
  readonly version: string;
  /** The boot that the agent runs in; empty if it is not known. */
  readonly agentBootId: string;
  /** PRETTY_NAME of the slot that the node does not run from; empty if it holds no readable system. */
  readonly otherPrettyName: string;
  /** The node's OSInstance as it stands for clients of upstream KubeOS. */
  readonly instance?: InstanceState;
}

/** What an OSInstance says of the work on its node. */
export interface InstanceState {
  readonly uid: string;
  readonly resourceVersion: string;
  readonly spec: Pick<OSInstanceSpec, 'nodestatus' | 'namespacedname'>;
  /** It goes with its node. */
  readonly isOwnedByNode: boolean;
}

/** An agent serves the node: plans can be given to it. */
export const isManaged = (node: NodeState): boolean => node.hasReported && node.hasAgentPod;

/** Why a node is left to upstream KubeOS, if its agent still runs there. */
export const leftToUpstream = ({ upstreamProxy }: NodeState): Refusal | undefined =>
  upstreamProxy === undefined
    ? undefined
    : {
        reason: 'KubeOSRunning',
        message: `pod ${upstreamProxy} of KubeOS still runs there and may write to the same slot: stop KubeOS first, both its operator and its proxies`,
      };

/** The node is part of the control plane. */
export const isControlPlane = (node: NodeFacts): boolean => CONTROL_PLANE_LABEL in node.labels;

/** Someone else has cordoned the node, so it stays cordoned. */
export const isForeignCordoned = (node: NodeFacts): boolean =>
  node.unschedulable && node.annotations[CORDONED_BY_ANNOTATION] === undefined;

/** Kubelet and agent tell of the same boot: after a reboot, one of them may not have reported yet. */
export const isOfOneBoot = ({ agentBootId, bootId }: NodeState): boolean =>
  agentBootId === '' || bootId === '' || agentBootId === bootId;

/** The kubelet's word that the node is Ready is about the boot that the agent runs in, not about the one before. */
export const isBack = (node: NodeState): boolean => node.ready && isOfOneBoot(node);

/** Whether a node has all the labels of a selector. */
export const hasLabels = (node: NodeFacts, selector: Readonly<Record<string, string>>): boolean =>
  Object.entries(selector).every(([name, value]) => node.labels[name] === value);
