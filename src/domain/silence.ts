import type { OSUpgradeProgress } from '../api/monok8s/index.ts';
import type { NodeState } from './node-state.ts';
import { gateState } from './progress.ts';
import type { Refusal } from './version-change.ts';

const ANSWER_MS = 120_000;
const STALL_GRACE_MS = 60_000;
/** Reboots of machines, with their firmware, beside the time that a trial has. */
const REBOOT_MS = 600_000;

/** Something that a running plan waits for too long; or when that will be so. */
export interface Silence {
  readonly trouble?: Refusal;
  readonly checkAtMs?: number;
}

/** Tells whether a running plan's agent is silent, or its node does not come back. */
export function silenceOf(progress: OSUpgradeProgress, node: NodeState | undefined, nowMs: number): Silence {
  const phase = progress.status?.phase;
  const isAway = phase === 'Rebooting' || phase === 'Confirming';
  if (!isAway && node?.hasAgentPod !== true) {
    return { trouble: silent(progress, 'the pod of its agent is gone') };
  }
  const atMs = deadlineMs(progress);
  if (atMs === undefined) return {};
  if (atMs > nowMs) return { checkAtMs: atMs };
  return {
    trouble:
      isAway && !isBack(progress, node)
        ? {
            reason: 'NodeNotBack',
            message: `${progress.spec.nodeName} has not come back from its reboot: look at its console`,
          }
        : silent(
            progress,
            isAway
              ? 'nothing was heard from its agent since the node came back from its reboot'
              : 'nothing was heard from its agent for too long',
          ),
  };
}

/** The node serves in another boot than the one in which its reboot was announced. */
const isBack = ({ status }: OSUpgradeProgress, node: NodeState | undefined): boolean =>
  node?.ready === true && node.bootId !== '' && status?.bootId !== undefined && node.bootId !== status.bootId;

const silent = ({ spec, metadata }: OSUpgradeProgress, what: string): Refusal => ({
  reason: 'AgentSilent',
  message: `${spec.nodeName} works on ${metadata.name}, but ${what}: see pod node-agent there`,
});

function deadlineMs(progress: OSUpgradeProgress): number | undefined {
  const { metadata, spec, status } = progress;
  const { stallSeconds = 600, trialSeconds = 900 } = spec.plan?.limits ?? {};
  const heardMs = Date.parse(status?.lastUpdatedAt ?? metadata.creationTimestamp ?? '');
  switch (status?.phase) {
    case 'Rebooting':
    case 'Confirming':
      return heardMs + trialSeconds * 1000 + REBOOT_MS;
    case 'Downloading':
    case 'Installing':
      return heardMs + stallSeconds * 1000 + STALL_GRACE_MS;
    case 'Staged':
    case 'Draining':
      return gateState(progress) === 'Open' ? openedMs(progress, heardMs) + ANSWER_MS : undefined;
    case undefined:
      return heardMs + ANSWER_MS;
    default:
      return undefined;
  }
}

const openedMs = (progress: OSUpgradeProgress, heardMs: number): number =>
  Math.max(heardMs, Date.parse(progress.spec.plan?.gate.since ?? '') || 0);
