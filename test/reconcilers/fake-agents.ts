import type { OSUpgradeProgress, OSUpgradeProgressStatus } from '../../src/api/monok8s/index.ts';
import { reasonOf } from '../../src/domain/errors.ts';
import { currentAttempt, isActive } from '../../src/domain/progress.ts';
import type { FullKubeClient } from '../../src/kube/client.ts';
import { NODES, OSINSTANCES, OSUPGRADE_PROGRESSES } from '../../src/kube/resources.ts';

/** What an agent does: all at once, or something that a test wants to see. */
export type Script = 'obey' | 'fail' | 'stage only' | 'stay downloading' | 'stay rebooting' | 'silent';

/** The agents of all nodes, played by one script each. */
export interface FakeAgents {
  /** For attempts that begin from now on, and for steps that are still to come. */
  play(node: string, script: Script): void;
  see(progress: OSUpgradeProgress): void;
  /** What went through the gates, in its order: node names. */
  readonly rebooted: readonly string[];
  /** Highest number of nodes that were at work at once. */
  readonly mostAtWork: number;
  reset(): void;
}

/** Makes agents that obey. */
export function createFakeAgents(client: FullKubeClient): FakeAgents {
  const scripts = new Map<string, Script>();
  const latest = new Map<string, OSUpgradeProgress>();
  const atWork = new Set<string>();
  const rebooted: string[] = [];
  let mostAtWork = 0;

  const step = (progress: OSUpgradeProgress): void => {
    const { name, uid } = progress.metadata;
    const status = isActive(progress)
      ? nextStatus(progress, scripts.get(progress.spec.nodeName) ?? 'obey')
      : undefined;
    if (status === undefined) return;
    const body = { metadata: { uid }, status: { ...status, lastUpdatedAt: new Date().toISOString() } };
    const isDone = status.phase === 'Completed';
    const node = progress.spec.nodeName;
    if (isDone) rebooted.push(node);
    const before = isDone ? bootTarget(client, progress) : Promise.resolve();
    before
      .then(() => client.patchStatus(OSUPGRADE_PROGRESSES, { name }, { type: 'merge', body }))
      .catch((error: unknown) => {
        // An object that is gone needs nothing; anything else shows as a test that waits in vain.
        if (reasonOf(error) !== 'NotFound') console.error(error);
      });
  };

  return {
    rebooted,
    get mostAtWork() {
      return mostAtWork;
    },
    play: (node, script) => {
      scripts.set(node, script);
      const progress = latest.get(node);
      if (progress !== undefined) step(progress);
    },
    see: progress => {
      const { nodeName } = progress.spec;
      latest.set(nodeName, progress);
      if (isActive(progress)) atWork.add(nodeName);
      else atWork.delete(nodeName);
      mostAtWork = Math.max(mostAtWork, atWork.size);
      step(progress);
    },
    reset: () => {
      scripts.clear();
      latest.clear();
      atWork.clear();
      rebooted.length = 0;
      mostAtWork = 0;
    },
  };
}

type NextStatus = Pick<OSUpgradeProgressStatus, 'phase'> & Partial<OSUpgradeProgressStatus>;

function nextStatus(progress: OSUpgradeProgress, script: Script): NextStatus | undefined {
  const { status, spec } = progress;
  const attempt = currentAttempt(progress);
  const gate = spec.plan?.gate;
  const begun = {
    attempt,
    ...(spec.retryNonce === undefined ? {} : { observedRetryNonce: spec.retryNonce }),
  };
  const isNew = status?.attempt !== attempt;
  if (script === 'silent') return undefined;
  if (gate !== undefined && (gate.attempt === attempt || gate.attempt === 0)) {
    if (gate.state === 'Failed' || gate.state === 'Cancelled') {
      return { phase: 'Failed', failureReason: gate.reason, message: gate.message, ...begun };
    }
  }
  if (script === 'fail' && isNew)
    return { phase: 'Failed', failureReason: 'ChecksumMismatch', message: 'bad', ...begun };
  if (script === 'stay downloading') return isNew ? { phase: 'Downloading', ...begun } : undefined;
  if (isNew || status.phase === 'Downloading')
    return { phase: 'Staged', failureReason: '', message: '', ...begun };
  if (gate?.state !== 'Open' || gate.attempt !== attempt || script === 'stage only') return undefined;
  if (script === 'stay rebooting') return status.phase === 'Rebooting' ? undefined : { phase: 'Rebooting' };
  return { phase: 'Completed', currentVersion: spec.plan?.targetVersion ?? '' };
}

/** What the agent and the kubelet say after the boot of what was installed. */
async function bootTarget(
  client: FullKubeClient,
  { spec: { nodeName, plan } }: OSUpgradeProgress,
): Promise<void> {
  const target = plan?.targetVersion ?? '';
  if (plan?.versionField !== 'PRETTY_NAME') return setVersion(client, nodeName, target);
  const before = await client.get(NODES, { name: nodeName });
  await setSlots(client, nodeName, { version: '', prettyName: target }, before?.osImage);
  const body = { status: { nodeInfo: { osImage: target } } };
  await client.patchStatus(NODES, { name: nodeName }, { type: 'merge', body });
}

/** What the agent says of the slots. */
export const setVersion = (client: FullKubeClient, node: string, version: string): Promise<void> =>
  setSlots(client, node, { version, prettyName: `OS ${version}` });

/** The same with names: what the node runs from, and PRETTY_NAME of the other slot. */
export async function setSlots(
  client: FullKubeClient,
  node: string,
  booted: { readonly version: string; readonly prettyName: string },
  other = '',
): Promise<void> {
  const slots = [
    { name: 'A', booted: true, default: true, ...booted },
    { name: 'B', booted: false, default: false, version: '', prettyName: other },
  ];
  const body = { status: { slots, bootId: `boot-of-${node}` } };
  await client.patchStatus(OSINSTANCES, { name: node, namespace: 'default' }, { type: 'merge', body });
}
