import type { StagedMarker, TrialRecord } from '../../src/agent/decide/records.ts';
import type { Snapshot, Task } from '../../src/agent/decide/snapshot.ts';
import type { GuardNote } from '../../src/agent/guard/note.ts';
import type { SlotFacts, SlotLayout } from '../../src/agent/ports.ts';
import type {
  Gate,
  NodePlan,
  OSUpgradeProgress,
  OSUpgradeProgressStatus,
  Phase,
} from '../../src/api/monok8s/index.ts';

export const CHECKSUM = `sha256:${'a'.repeat(64)}`;

export const gate = (state: Gate['state'], attempt = 1, message = ''): Gate => ({
  state,
  attempt,
  reason: '',
  message,
});

export const plan = (changes: Partial<NodePlan> = {}): NodePlan => ({
  kind: 'upgrade',
  rollout: 1,
  targetVersion: 'v1.35.1',
  versionField: 'VERSION_ID',
  image: { url: 'https://images.example/v1.35.1.zst', checksum: CHECKSUM },
  limits: { stallSeconds: 600, trialSeconds: 900 },
  gate: gate('Closed'),
  ...changes,
});

export const progress = (
  changes: {
    readonly name?: string;
    readonly createdAt?: string;
    readonly plan?: NodePlan;
    readonly retryNonce?: string;
    readonly status?: OSUpgradeProgressStatus;
  } = {},
): OSUpgradeProgress => {
  const { name = 'osupgrade-1', createdAt = '2026-11-21T10:00:00Z', retryNonce, status } = changes;
  return {
    apiVersion: 'monok8s.io/v1alpha1',
    kind: 'OSUpgradeProgress',
    metadata: { name, uid: `uid-${name}`, resourceVersion: '1', creationTimestamp: createdAt },
    spec: {
      sourceRef: { name: 'my-upgrade' },
      nodeName: 'node-1',
      plan: changes.plan ?? plan(),
      ...(retryNonce !== undefined && { retryNonce }),
    },
    ...(status && { status }),
  };
};

/** A task whose attempt has got as far as `phase`; a new one without it. */
export const task = (
  phase?: Phase,
  changes: {
    readonly plan?: NodePlan;
    readonly status?: OSUpgradeProgressStatus;
    readonly attempt?: number;
  } = {},
): Task => {
  const { attempt = 1 } = changes;
  const object = progress({
    plan: changes.plan ?? plan(),
    ...(phase && { status: { phase, attempt, ...changes.status } }),
  });
  const resolution = { type: 'plan', plan: changes.plan ?? plan(), gated: true } as const;
  return { object, attempt, isNew: phase === undefined, resolution };
};

export const slot = (
  name: 'A' | 'B',
  versionId: string | undefined,
  superblockHash = `hash-${name}`,
): SlotFacts => ({
  name,
  path: `/dev/slot-${name}`,
  sizeBytes: 1 << 30,
  superblockHash,
  ...(versionId !== undefined && { osRelease: { versionId, prettyName: `Demo OS ${versionId}` } }),
});

export const layout = (changes: Partial<SlotLayout> = {}): SlotLayout => ({
  booted: 'A',
  A: slot('A', '1.34.1'),
  B: slot('B', '1.35.1'),
  ...changes,
});

export const marker = (changes: Partial<StagedMarker> = {}): StagedMarker => ({
  uid: 'uid-osupgrade-1',
  attempt: 1,
  slot: 'B',
  checksum: CHECKSUM,
  superblockHash: 'hash-B',
  version: 'v1.35.1',
  ...changes,
});

/** A trial of slot B, from slot A, armed in boot-1. */
export const trial = (changes: Partial<TrialRecord> = {}): TrialRecord => ({
  progress: { name: 'osupgrade-1', uid: 'uid-osupgrade-1' },
  attempt: 1,
  phase: 'Rebooting',
  targetSlot: 'B',
  fromSlot: 'A',
  targetVersion: 'v1.35.1',
  versionField: 'VERSION_ID',
  trialSeconds: 900,
  gated: true,
  bootId: 'boot-1',
  armCount: 1,
  armed: true,
  ...changes,
});

/** What the guard of slot B left in boot-2. */
export const guardNote = (changes: Partial<GuardNote> = {}): GuardNote => ({
  ...{ slot: 'B', bootId: 'boot-2', uptimeSeconds: 1020, system: 'running', kubelet: '', containerd: '' },
  ...{ network: '', failedUnits: [], runningJobs: [] },
  ...changes,
});

/** A node that runs slot A in boot-1, is Ready, and has nothing to do. */
export const snapshot = (changes: Partial<Snapshot> = {}): Snapshot => ({
  objects: changes.task ? [changes.task.object] : [],
  isSynced: true,
  slots: { ok: true, layout: layout(), boot: { defaultSlot: 'A' } },
  bootId: 'boot-1',
  node: { ready: true, bootId: changes.bootId ?? 'boot-1' },
  staging: { type: 'idle' },
  uptimeMs: 60_000,
  isRebooting: false,
  settings: { versionField: 'VERSION_ID' },
  notedDefault: 'A',
  ...changes,
});

/** The slots after a reboot into B as a trial. */
export const onTrial = (changes: Partial<SlotLayout> = {}) =>
  ({ ok: true, layout: layout({ booted: 'B', ...changes }), boot: { defaultSlot: 'A' } }) as const;
