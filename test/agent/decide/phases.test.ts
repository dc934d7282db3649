import { expect } from 'chai';
import { decideStep } from '../../../src/agent/decide/phases.ts';
import { stagingKey } from '../../../src/agent/decide/plan-steps.ts';
import type { Snapshot } from '../../../src/agent/decide/snapshot.ts';
import type { Step } from '../../../src/agent/decide/step.ts';
import type { OsRelease } from '../../../src/agent/ports.ts';
import {
  gate,
  guardNote,
  layout,
  marker,
  onTrial,
  plan,
  progress,
  slot,
  snapshot,
  task,
  trial,
} from '../build.ts';

interface Case {
  readonly name: string;
  readonly seen: Snapshot;
  readonly want: Partial<Record<string, unknown>> & { readonly type: Step['type'] };
}

const EMPTY_B = layout({ B: slot('B', undefined) });
const emptyB = { ok: true, layout: EMPTY_B, boot: { defaultSlot: 'A' } } as const;
const key = stagingKey(task(), plan());
const running = {
  type: 'running',
  key,
  retries: 2,
  note: 'trying again',
  progress: { phase: 'Downloading', bytesDone: 5, bytesTotal: 10 },
} as const;
const image = { checksum: 'sha256:x', expandedBytes: 1, superblockHash: 'hash-B' };
const open = plan({ gate: gate('Open') });
const rebooting = (changes: object = {}) =>
  task('Rebooting', { plan: open, status: { bootId: 'boot-1', ...changes } });
const UNREADABLE = { ok: false, reason: 'BootEnvironmentInvalid', message: 'torn' } as const;
const confirmed = { health: { healthy: true, message: '', ageMs: 0 } };
const failed = (reason: string) => ({ phase: 'Failed', reason });
/** A plan of an OS object, and the slots by what their systems are called. */
const named = Object.assign(
  (changes: Parameters<typeof plan>[0] = {}) =>
    plan({ versionField: 'PRETTY_NAME', targetVersion: 'KubeOS 2', ...changes }),
  {
    slots: (a: OsRelease, b: OsRelease | undefined) => ({
      ok: true as const,
      boot: { defaultSlot: 'A' as const },
      layout: layout({
        A: { ...slot('A', '1'), osRelease: a },
        B: { ...slot('B', undefined), ...(b && { osRelease: b }) },
      }),
    }),
  },
);

const CASES: Record<string, Case[]> = {
  'nothing to do': [
    { name: 'is idle', seen: snapshot(), want: { type: 'idle' } },
    {
      name: 'looks again whether a person has mended what is wrong with its slots',
      seen: snapshot({ slots: UNREADABLE }),
      want: { type: 'wait', retryInMs: 15_000 },
    },
    {
      name: 'keeps in mind which slot is the default, for the guards',
      seen: snapshot({ notedDefault: 'B', task: task() }),
      want: { type: 'noteDefault', slot: 'A' },
    },
    {
      name: 'keeps in mind no slot that was booted by hand',
      seen: snapshot({ notedDefault: 'A', slots: onTrial(), node: { ready: false, bootId: 'boot-1' } }),
      want: { type: 'wait' },
    },
    {
      name: 'is idle while the objects are not known',
      seen: snapshot({ isSynced: false, task: task() }),
      want: { type: 'idle' },
    },
    {
      name: 'waits for the reboot that was asked for',
      seen: snapshot({ isRebooting: true, trial: trial() }),
      want: { type: 'wait' },
    },
    {
      name: 'stops an installation whose object vanished',
      seen: snapshot({ staging: running }),
      want: { type: 'abortStaging' },
    },
  ],
  Pending: [
    { name: 'begins', seen: snapshot({ task: task(), slots: emptyB }), want: { type: 'stage', slot: 'B' } },
    {
      name: 'clears a flag that someone set before the first byte',
      seen: snapshot({
        task: task(),
        slots: { ok: true, layout: EMPTY_B, boot: { defaultSlot: 'A', trialSlot: 'B' } },
      }),
      want: { type: 'clearFlag', defaultSlot: 'A' },
    },
    {
      name: 'downloads nothing twice',
      seen: snapshot({ task: task(), marker: marker({ attempt: 7, uid: 'another' }) }),
      want: { type: 'verifyStaged', slot: 'B' },
    },
    {
      name: 'downloads again if the slot was changed since',
      seen: snapshot({ task: task(), marker: marker({ superblockHash: 'another' }) }),
      want: { type: 'stage' },
    },
    {
      name: 'a rollback downloads nothing',
      seen: snapshot({ task: task(undefined, { plan: plan({ kind: 'rollback' }) }) }),
      want: { type: 'verifyStaged' },
    },
    {
      name: 'fails here: the kind is not supported',
      seen: snapshot({ task: task(undefined, { plan: plan({ kind: 'config' }) }) }),
      want: { type: 'finish', outcome: failed('ConfigUnsupported') },
    },
    {
      name: 'begins with an image in a registry',
      seen: snapshot({ task: task(undefined, { plan: plan({ image: { reference: 'a/b:c' } }) }) }),
      want: { type: 'stage' },
    },
    {
      name: 'upgrades a node whose version number is the same, but whose name is not',
      seen: snapshot({
        task: task(undefined, { plan: named() }),
        slots: named.slots({ versionId: '2', prettyName: 'KubeOS 1' }, undefined),
      }),
      want: { type: 'stage' },
    },
    {
      name: 'has nothing to do where the name is the same',
      seen: snapshot({
        task: task(undefined, { plan: named() }),
        slots: named.slots({ versionId: '1', prettyName: 'KubeOS 2' }, undefined),
      }),
      want: { type: 'finish', outcome: { phase: 'Completed' } },
    },
    ...(
      [
        ['no image', undefined, 'ImageMissing'],
        ['neither address nor reference', { checksum: 'sha256:1' }, 'ImageMissing'],
        ['an empty reference', { reference: '' }, 'ImageMissing'],
        ['both', { url: 'https://h/i', reference: 'a/b:c', checksum: 'sha256:1' }, 'ImageAmbiguous'],
        ['both, one as oci://', { url: 'oci://h/a:c', reference: 'a/b:c' }, 'ImageAmbiguous'],
        ['an address without checksum', { url: 'https://h/i' }, 'ChecksumInvalid'],
        ['a reference that is none', { reference: 'a/B:c' }, 'ReferenceInvalid'],
        ['a reference that is none, as oci://', { url: 'oci://h' }, 'ReferenceInvalid'],
      ] as const
    ).map(([what, image, reason]) => ({
      name: `fails here: ${what}`,
      seen: snapshot({ task: task(undefined, { plan: { ...plan(), image } }), slots: emptyB }),
      want: { type: 'finish' as const, outcome: failed(reason) },
    })),
    {
      name: 'fails here, while it is staged too: the plan was given two images',
      seen: snapshot({
        task: task('Staged', { plan: plan({ image: { url: 'https://h/i', reference: 'a/b:c' } }) }),
        marker: marker(),
      }),
      want: { type: 'finish', outcome: failed('ImageAmbiguous') },
    },
    {
      name: 'fails here: the slots cannot be used',
      seen: snapshot({
        task: task(),
        slots: { ok: false, reason: 'SlotCountUnsupported', message: 'three' },
      }),
      want: { type: 'finish', outcome: failed('SlotCountUnsupported') },
    },
    {
      name: 'fails here: cancelled before it began',
      seen: snapshot({ task: task(undefined, { plan: plan({ gate: gate('Cancelled', 0) }) }) }),
      want: { type: 'finish', outcome: failed('Cancelled') },
    },
    {
      name: 'has nothing to do where the version runs',
      seen: snapshot({ task: task(), slots: { ...emptyB, layout: layout({ A: slot('A', '1.35.1') }) } }),
      want: { type: 'finish', outcome: { phase: 'Completed' } },
    },
    {
      name: 'agent restarted here, power lost here: begins',
      seen: snapshot({ task: task('Pending'), slots: emptyB, bootId: 'boot-2' }),
      want: { type: 'stage' },
    },
  ],
  Downloading: [
    {
      name: 'tells how far it is',
      seen: snapshot({ task: task('Downloading'), slots: emptyB, staging: running }),
      want: {
        type: 'wait',
        note: { phase: 'Downloading', retryCount: 2, progress: { bytesDone: 5, bytesTotal: 10 } },
      },
    },
    {
      name: 'stops when the plan is replaced',
      seen: snapshot({
        task: task('Downloading', { plan: plan({ targetVersion: 'v1.35.2' }) }),
        slots: emptyB,
        staging: running,
      }),
      want: { type: 'abortStaging' },
    },
    {
      name: 'ends when it is cancelled',
      seen: snapshot({
        task: task('Downloading', { plan: plan({ gate: gate('Cancelled', 1, 'superseded') }) }),
        slots: emptyB,
        staging: running,
      }),
      want: { type: 'finish', outcome: { ...failed('Cancelled'), message: 'superseded' } },
    },
    {
      name: 'fails here',
      seen: snapshot({
        task: task('Downloading'),
        slots: emptyB,
        staging: { type: 'failed', key, reason: 'ChecksumMismatch', message: 'is another' },
      }),
      want: { type: 'finish', outcome: failed('ChecksumMismatch') },
    },
    {
      name: 'agent restarted here, power lost here: begins again',
      seen: snapshot({ task: task('Downloading'), slots: emptyB, bootId: 'boot-2' }),
      want: { type: 'stage' },
    },
  ],
  Installing: [
    {
      name: 'checks what was installed',
      seen: snapshot({ task: task('Installing'), staging: { type: 'done', key, image } }),
      want: { type: 'verifyStaged', image },
    },
    {
      name: 'fails here',
      seen: snapshot({
        task: task('Installing'),
        slots: emptyB,
        staging: { type: 'failed', key, reason: 'ReadBackMismatch', message: 'bad disk' },
      }),
      want: { type: 'finish', outcome: failed('ReadBackMismatch') },
    },
    {
      name: 'agent restarted here, power lost here: an image without its marker is not trusted',
      seen: snapshot({ task: task('Installing'), bootId: 'boot-2' }),
      want: { type: 'stage' },
    },
  ],
  Staged: [
    {
      name: 'waits for the gate',
      seen: snapshot({ task: task('Staged'), marker: marker() }),
      want: { type: 'wait', note: { phase: 'Staged' } },
    },
    {
      name: 'is not let through by the gate of another attempt',
      seen: snapshot({ task: task('Staged', { plan: open, attempt: 2 }), marker: marker() }),
      want: { type: 'wait', note: { phase: 'Staged' } },
    },
    {
      name: 'announces the reboot when the gate is open',
      seen: snapshot({ task: task('Staged', { plan: open }), marker: marker() }),
      want: {
        type: 'announceReboot',
        trial: { targetSlot: 'B', fromSlot: 'A', bootId: 'boot-1', armed: false, armCount: 1 },
      },
    },
    {
      name: 'fails here: the slot was written by someone else',
      seen: snapshot({ task: task('Staged', { plan: open }), marker: marker({ superblockHash: 'before' }) }),
      want: { type: 'finish', outcome: failed('SlotChanged') },
    },
    {
      name: 'stages again when the plan asks for another image',
      seen: snapshot({ task: task('Staged', { plan: open }), marker: marker({ checksum: 'sha256:1' }) }),
      want: { type: 'stage' },
    },
    {
      name: 'agent restarted here, power lost here: waits on',
      seen: snapshot({ task: task('Staged'), marker: marker(), bootId: 'boot-2' }),
      want: { type: 'wait', note: { phase: 'Staged' } },
    },
    {
      name: 'agent restarted here, its memory lost: stages again',
      seen: snapshot({ task: task('Staged') }),
      want: { type: 'stage' },
    },
  ],
  Draining: [
    {
      name: 'tells what the drain waits for',
      seen: snapshot({
        task: task('Staged', { plan: plan({ gate: gate('Draining', 1, 'pod a/b') }) }),
        marker: marker(),
      }),
      want: { type: 'wait', note: { phase: 'Draining', message: 'pod a/b' } },
    },
    {
      name: 'fails here',
      seen: snapshot({
        task: task('Draining', { plan: plan({ gate: { ...gate('Failed'), reason: 'DrainTimeout' } }) }),
        marker: marker(),
      }),
      want: { type: 'finish', outcome: failed('DrainTimeout') },
    },
    {
      name: 'agent restarted here, power lost here: goes on when the gate is open',
      seen: snapshot({ task: task('Draining', { plan: open }), marker: marker(), bootId: 'boot-2' }),
      want: { type: 'announceReboot' },
    },
  ],
  Rebooting: [
    {
      name: 'does not reboot before the status tells of it',
      seen: snapshot({
        task: task('Staged', { plan: open }),
        marker: marker(),
        trial: trial({ armed: false }),
      }),
      want: { type: 'announceReboot' },
    },
    {
      name: 'does not reboot without an API server',
      seen: snapshot({ isSynced: false, marker: marker(), trial: trial({ armed: false }) }),
      want: { type: 'idle' },
    },
    {
      name: 'arms once it is announced',
      seen: snapshot({ task: rebooting(), marker: marker(), trial: trial({ armed: false }) }),
      want: { type: 'armAndReboot' },
    },
    {
      name: 'fails here: the slot was written meanwhile',
      seen: snapshot({
        task: rebooting(),
        marker: marker({ superblockHash: 'before' }),
        trial: trial({ armed: false }),
      }),
      want: { type: 'endTrial', outcome: failed('SlotChanged') },
    },
    {
      name: 'is called off when its object vanishes',
      seen: snapshot({ marker: marker(), trial: trial() }),
      want: { type: 'forgetTrial' },
    },
    {
      name: 'agent restarted here: armed, it reboots',
      seen: snapshot({
        task: rebooting(),
        marker: marker(),
        trial: trial(),
        slots: { ok: true, layout: layout(), boot: { defaultSlot: 'A', trialSlot: 'B' } },
      }),
      want: { type: 'reboot' },
    },
    {
      name: 'agent restarted here: armed, and the flag was taken away, it arms again',
      seen: snapshot({ task: rebooting(), marker: marker(), trial: trial() }),
      want: { type: 'armAndReboot' },
    },
    {
      name: 'agent restarted here, its memory lost: announces again',
      seen: snapshot({ task: rebooting(), marker: marker() }),
      want: { type: 'announceReboot' },
    },
    {
      name: 'power lost here before it was armed: armed again',
      seen: snapshot({
        task: rebooting(),
        marker: marker(),
        trial: trial({ armed: false }),
        bootId: 'boot-2',
      }),
      want: { type: 'announceReboot', trial: { armCount: 2, bootId: 'boot-2', armed: false } },
    },
    {
      name: 'back in the old slot with the flag still set: armed again',
      seen: snapshot({
        task: rebooting(),
        marker: marker(),
        trial: trial({ armCount: 2 }),
        bootId: 'boot-2',
        slots: { ok: true, layout: layout(), boot: { defaultSlot: 'A', trialSlot: 'B' } },
      }),
      want: { type: 'announceReboot', trial: { armCount: 3 } },
    },
    {
      name: 'armed three times and never tried: given up',
      seen: snapshot({
        task: rebooting(),
        marker: marker(),
        trial: trial({ armCount: 3 }),
        bootId: 'boot-4',
        slots: { ok: true, layout: layout(), boot: { defaultSlot: 'A', trialSlot: 'B' } },
      }),
      want: { type: 'endTrial', outcome: { phase: 'RolledBack', reason: 'TrialNotTaken' } },
    },
    {
      name: 'back in the old slot, armed and the flag empty: tried and failed',
      seen: snapshot({ task: rebooting(), marker: marker(), trial: trial(), bootId: 'boot-2' }),
      want: { type: 'endTrial', outcome: { phase: 'RolledBack', reason: 'TrialBootFailed' } },
    },
    {
      name: 'back in the old slot, and the guard of the other left a word',
      seen: snapshot({ marker: marker(), trial: trial(), bootId: 'boot-3', guardNote: guardNote() }),
      want: { type: 'endTrial', outcome: { phase: 'RolledBack', reason: 'TrialNotConfirmed' } },
    },
    {
      name: 'back in the old slot, and the word is of its own guard',
      seen: snapshot({ trial: trial(), bootId: 'boot-3', guardNote: guardNote({ slot: 'A' }) }),
      want: { type: 'endTrial', outcome: { phase: 'RolledBack', reason: 'TrialBootFailed' } },
    },
    {
      name: 'back in the old slot by a guard, and the memory is lost',
      seen: snapshot({ task: rebooting(), bootId: 'boot-3', guardNote: guardNote() }),
      want: { type: 'finish', outcome: { phase: 'RolledBack', reason: 'TrialNotConfirmed' } },
    },
    {
      name: 'power lost here, and the memory too: back in the old slot, it counts as tried',
      seen: snapshot({ task: rebooting(), marker: marker(), bootId: 'boot-2' }),
      want: { type: 'finish', outcome: { phase: 'RolledBack', reason: 'TrialBootFailed' } },
    },
    {
      name: 'power lost here, and the memory too: on trial, it is a trial',
      seen: snapshot({ task: rebooting(), bootId: 'boot-2', slots: onTrial() }),
      want: { type: 'adoptTrial', trial: { targetSlot: 'B', fromSlot: 'A', armed: true, bootId: 'boot-1' } },
    },
    {
      name: 'power lost here, and the memory too: committed, it is complete',
      seen: snapshot({
        task: rebooting(),
        bootId: 'boot-2',
        slots: { ok: true, layout: layout({ booted: 'B' }), boot: { defaultSlot: 'B' } },
      }),
      want: { type: 'finish', outcome: { phase: 'Completed' } },
    },
  ],
  Confirming: [
    {
      name: 'waits for the node to be Ready',
      seen: snapshot({
        trial: trial(),
        bootId: 'boot-2',
        slots: onTrial(),
        node: { ready: false, bootId: 'boot-2' },
      }),
      want: { type: 'confirmLater', retryInMs: 840_000 },
    },
    {
      name: 'is not deceived by a node that was Ready in the boot before',
      seen: snapshot({
        trial: trial(),
        bootId: 'boot-2',
        slots: onTrial(),
        node: { ready: true, bootId: 'boot-1' },
      }),
      want: { type: 'confirmLater' },
    },
    {
      name: 'checks the health of a node that is Ready',
      seen: snapshot({ trial: trial(), bootId: 'boot-2', slots: onTrial() }),
      want: { type: 'checkHealth' },
    },
    {
      name: 'commits',
      seen: snapshot({ trial: trial(), bootId: 'boot-2', slots: onTrial(), ...confirmed }),
      want: { type: 'commit' },
    },
    {
      name: 'commits although its object vanished',
      seen: snapshot({ trial: trial(), objects: [], bootId: 'boot-2', slots: onTrial(), ...confirmed }),
      want: { type: 'commit' },
    },
    {
      name: 'checks again what is not healthy',
      seen: snapshot({
        trial: trial(),
        bootId: 'boot-2',
        slots: onTrial(),
        health: { healthy: false, message: 'no', ageMs: 1000 },
      }),
      want: { type: 'confirmLater', retryInMs: 4000 },
    },
    {
      name: 'clears a flag that the boot loader left',
      seen: snapshot({
        trial: trial(),
        bootId: 'boot-2',
        slots: { ...onTrial(), boot: { defaultSlot: 'A', trialSlot: 'B' } },
        ...confirmed,
      }),
      want: { type: 'clearFlag', defaultSlot: 'A' },
    },
    {
      name: 'fails here: a flag that nobody can clear does not keep it from falling back in time',
      seen: snapshot({
        trial: trial(),
        bootId: 'boot-2',
        slots: { ...onTrial(), boot: { defaultSlot: 'A', trialSlot: 'B' } },
        uptimeMs: 900_000,
      }),
      want: { type: 'fallBack', reason: 'TrialNotReady' },
    },
    {
      name: 'fails here: another version',
      seen: snapshot({
        trial: trial(),
        bootId: 'boot-2',
        slots: onTrial({ B: slot('B', '1.35.0') }),
        ...confirmed,
      }),
      want: { type: 'fallBack', reason: 'TrialVersionMismatch' },
    },
    {
      name: 'fails here: not Ready in time, with or without an API server',
      seen: snapshot({
        trial: trial(),
        isSynced: false,
        bootId: 'boot-2',
        slots: onTrial(),
        node: { ready: false, bootId: '' },
        uptimeMs: 900_000,
      }),
      want: { type: 'fallBack', reason: 'TrialNotReady' },
    },
    {
      name: 'fails here: not healthy in time',
      seen: snapshot({
        trial: trial(),
        bootId: 'boot-2',
        slots: onTrial(),
        health: { healthy: false, message: 'no', ageMs: 9000 },
        uptimeMs: 900_000,
      }),
      want: { type: 'fallBack', reason: 'TrialUnhealthy' },
    },
    {
      name: 'fails here: the slots cannot be told apart',
      seen: snapshot({
        trial: trial(),
        bootId: 'boot-2',
        slots: { ok: false, reason: 'BootedSlotUnknown', message: '' },
        uptimeMs: 900_000,
      }),
      want: { type: 'fallBack', reason: 'TrialUnhealthy' },
    },
    {
      name: 'the slots cannot be told apart: says so while there is time',
      seen: snapshot({ trial: trial(), bootId: 'boot-2', slots: UNREADABLE, uptimeMs: 60_000 }),
      want: { type: 'confirmLater', message: 'torn' },
    },
    {
      name: 'fails here: the boot environment cannot be read before the reboot',
      seen: snapshot({ task: rebooting(), trial: trial({ armed: false }), slots: UNREADABLE }),
      want: { type: 'endTrial', outcome: failed('BootEnvironmentInvalid') },
    },
    {
      name: 'fails here: it cannot be read after falling back either',
      seen: snapshot({
        trial: trial({ phase: 'FallingBack', fallback: { bootId: 'boot-2', count: 1 } }),
        bootId: 'boot-3',
        slots: UNREADABLE,
      }),
      want: { type: 'endTrial', outcome: failed('BootEnvironmentInvalid') },
    },
    {
      name: 'fails here: healthy, and cannot be made the default',
      seen: snapshot({
        trial: trial(),
        bootId: 'boot-2',
        slots: onTrial(),
        ...confirmed,
        uptimeMs: 900_000,
        health: { healthy: true, message: '', ageMs: 1 },
      }),
      want: { type: 'fallBack', reason: 'TrialUnhealthy' },
    },
    {
      name: 'fails here: healthy only when its time is over',
      seen: snapshot({
        trial: trial(),
        bootId: 'boot-2',
        slots: onTrial(),
        ...confirmed,
        uptimeMs: 900_001,
        health: { healthy: true, message: '', ageMs: 1 },
      }),
      want: { type: 'fallBack', reason: 'TrialNotReady' },
    },
    {
      name: 'agent restarted here while falling back: falls back',
      seen: snapshot({
        trial: trial({ phase: 'FallingBack', fallback: { bootId: 'boot-2', count: 1 } }),
        bootId: 'boot-2',
        slots: onTrial(),
        ...confirmed,
      }),
      want: { type: 'fallBack' },
    },
    {
      name: 'agent restarted here while committing: commits',
      seen: snapshot({
        trial: trial({ phase: 'Committing' }),
        bootId: 'boot-2',
        slots: onTrial(),
        ...confirmed,
      }),
      want: { type: 'commit' },
    },
    {
      name: 'agent restarted here after committing: complete, however late',
      seen: snapshot({
        trial: trial({ phase: 'Committing' }),
        bootId: 'boot-2',
        slots: { ok: true, layout: layout({ booted: 'B' }), boot: { defaultSlot: 'B' } },
        uptimeMs: 9_000_000,
      }),
      want: { type: 'endTrial', outcome: { phase: 'Completed' } },
    },
    {
      name: 'power lost here: back in the old slot, it was tried and failed',
      seen: snapshot({ trial: trial(), bootId: 'boot-3' }),
      want: { type: 'endTrial', outcome: { phase: 'RolledBack', reason: 'TrialBootFailed' } },
    },
    {
      name: 'power lost here while committing: back in the old slot',
      seen: snapshot({ trial: trial({ phase: 'Committing' }), bootId: 'boot-3' }),
      want: { type: 'endTrial', outcome: { phase: 'RolledBack', reason: 'TrialBootFailed' } },
    },
    {
      name: 'power lost here while falling back: the reason is kept',
      seen: snapshot({
        trial: trial({
          phase: 'FallingBack',
          fallback: { bootId: 'boot-2', count: 1 },
          outcome: { phase: 'RolledBack', reason: 'TrialUnhealthy', message: 'no' },
        }),
        bootId: 'boot-3',
      }),
      want: { type: 'endTrial', outcome: { phase: 'RolledBack', reason: 'TrialUnhealthy', message: 'no' } },
    },
    {
      name: 'the boot loader that keeps starting the failed slot is given up on',
      seen: snapshot({
        trial: trial({ phase: 'FallingBack', fallback: { bootId: 'boot-4', count: 3 } }),
        bootId: 'boot-5',
        slots: { ok: true, layout: layout({ booted: 'B' }), boot: { defaultSlot: 'B' } },
      }),
      want: { type: 'endTrial', outcome: failed('FallbackFailed') },
    },
  ],
  'the end': [
    {
      name: 'is reported when the objects are known',
      seen: snapshot({
        objects: [progress()],
        trial: trial({ phase: 'Ended', outcome: { phase: 'RolledBack', reason: 'X', message: '' } }),
      }),
      want: { type: 'reportTrial', outcome: { phase: 'RolledBack' } },
    },
    {
      name: 'is not reported before',
      seen: snapshot({
        isSynced: false,
        trial: trial({ phase: 'Ended', outcome: { phase: 'Completed', reason: '', message: '' } }),
      }),
      want: { type: 'idle' },
    },
    {
      name: 'a needless retry of a completed object is noted',
      seen: snapshot({
        objects: [
          progress({ retryNonce: 'x', status: { phase: 'Completed', attempt: 1, targetVersion: 'v1.34.1' } }),
        ],
      }),
      want: { type: 'acknowledgeRetry' },
    },
  ],
  'a slot that was booted by hand': [
    { name: 'is checked first', seen: snapshot({ slots: onTrial() }), want: { type: 'checkHealth' } },
    {
      name: 'is kept once it is healthy',
      seen: snapshot({ slots: onTrial(), ...confirmed }),
      want: { type: 'keepManualBoot', slot: 'B' },
    },
    {
      name: 'holds up a plan that is staged, and tells it',
      seen: snapshot({
        task: task('Staged'),
        slots: onTrial(),
        node: { ready: false, bootId: 'boot-1' },
      }),
      want: {
        type: 'wait',
        note: { phase: 'Staged', message: 'slot B was booted by hand; waiting for the node to be Ready' },
      },
    },
    {
      name: 'is not kept while the node is not Ready',
      seen: snapshot({ slots: onTrial(), node: { ready: false, bootId: 'boot-1' }, ...confirmed }),
      want: { type: 'wait' },
    },
    {
      name: 'holds a plan up: the default slot may be the only good one',
      seen: snapshot({ slots: onTrial(), task: task(), node: { ready: false, bootId: 'boot-1' } }),
      want: { type: 'wait', note: { phase: 'Pending' } },
    },
    {
      name: 'is not judged before it is known whether it is a trial',
      seen: snapshot({ slots: onTrial(), isSynced: false, ...confirmed }),
      want: { type: 'idle' },
    },
  ],
};

describe('what the agent does next', () => {
  for (const [phase, cases] of Object.entries(CASES)) {
    describe(phase, () => {
      for (const { name, seen, want } of cases) {
        it(name, () => expect(pick(decideStep(seen), want)).to.deep.equal(want));
      }
    });
  }
});

/** The part of `value` that `pattern` speaks of. */
function pick(value: unknown, pattern: unknown): unknown {
  if (typeof value !== 'object' || value === null || typeof pattern !== 'object' || pattern === null)
    return value;
  const entries = Object.entries(value);
  return Object.fromEntries(
    Object.entries(pattern).map(([name, part]) => [
      name,
      pick(entries.find(([key]) => key === name)?.[1], part),
    ]),
  );
}
