import { createLogger } from 'winston';
import type { StagedMarker, TrialRecord } from '../../src/agent/decide/records.ts';
import type { GuardNote } from '../../src/agent/guard/note.ts';
import type { BootState, SlotFacts, StagedImage } from '../../src/agent/ports.ts';
import type { Gate, OSUpgradeProgress } from '../../src/api/monok8s/index.ts';
import { StalledError } from '../../src/domain/errors.ts';
import { CHECKSUM, gate, marker, plan, progress } from './build.ts';

type SlotName = 'A' | 'B';

/** How the image behaves, and the machine with it. */
export interface Behaviour {
  readonly shows: string;
  readonly boots:
    | 'well'
    | 'panics'
    | 'notLoadable'
    | 'neverReady'
    | 'unhealthy'
    | 'resetsAtReady'
    | 'guardActs';
  /** The boot loader does not take the one-boot flag, the first so many times. */
  readonly ignoresFlag: number;
  /** It cannot try an entry once: arming switches the default. */
  readonly switchesPlainly?: boolean;
  /** Its environment cannot be changed. */
  readonly refusesToArm?: boolean;
}

/** What happens at the so-many-th thing that the agent does. */
export interface Fault {
  readonly at: number;
  readonly what: 'restart' | 'power';
  readonly when: 'before' | 'after';
}

export const OLD = '1.34.1';
export const TARGET = 'v1.35.1';
/** What lies in slot B from long ago. */
export const OLDER = '1.33.0';
export const silent = createLogger({ silent: true });

/** Ends the agent in the middle of something. */
export class Cut extends Error {}

const NOTE: Omit<GuardNote, 'slot' | 'bootId'> = {
  ...{ uptimeSeconds: 1020, system: 'maintenance', kubelet: 'inactive', containerd: 'failed' },
  ...{ network: 'eth0', failedUnits: ['var.mount'], runningJobs: [] },
};

interface Slot {
  version: string | undefined;
  hash: number;
  isGuarded?: boolean;
}

/** A machine, its disk, its node and its object, all in memory; what is written stays written. */
export class World {
  readonly slots: Record<SlotName, Slot> = {
    A: { version: OLD, hash: 1 },
    B: { version: OLDER, hash: 2 },
  };
  readonly files: {
    trial: TrialRecord | undefined;
    marker: StagedMarker | undefined;
    defaultSlot: SlotName | undefined;
    guardNote?: GuardNote;
  } = {
    trial: undefined,
    defaultSlot: 'A',
    // Of an upgrade long ago.
    marker: marker({ checksum: 'sha256:old', superblockHash: 'hash-2', version: 'v1.33.0' }),
  };
  readonly violations: string[] = [];
  readonly events: string[] = [];
  object: OSUpgradeProgress | undefined = progress({ plan: plan({ gate: gate('Closed', 0) }) });
  boot: BootState = { defaultSlot: 'A' };
  booted: SlotName = 'A';
  boots = 1;
  nowMs = 1_000_000;
  bootedAtMs = 1_000_000;
  isCut: Fault['what'] | undefined;
  isRebootAsked = false;
  /** Nobody reaches the API server. */
  isApiAway = false;
  /** The state folder takes nothing any more. */
  isStateReadOnly = false;
  writes = 0;
  /** What the plan brings the node to. */
  target = TARGET;
  #count = 0;
  #ignored = 0;
  readonly #behaviour: Behaviour;
  readonly #faults: readonly Fault[];

  constructor(behaviour: Behaviour, faults: readonly Fault[]) {
    this.#behaviour = behaviour;
    this.#faults = faults;
  }

  /** Does one thing to the world, unless the agent is cut off before it. */
  do<T>(effect: () => T): T {
    if (this.isCut) throw new Cut();
    this.#count += 1;
    const fault = this.#faults.find(({ at }) => at === this.#count);
    if (fault?.when === 'before') this.#cut(fault);
    const result = effect();
    if (fault?.when === 'after') this.#cut(fault);
    return result;
  }

  #cut(fault: Fault): never {
    this.isCut = fault.what;
    throw new Cut();
  }

  /** The agent is gone; the machine is started again if the power went or the reboot was asked for. */
  goOn(): void {
    const isReboot = this.isCut === 'power' || this.isRebootAsked;
    this.isCut = undefined;
    this.isRebootAsked = false;
    if (isReboot) this.#start();
  }

  #start(): void {
    this.boots += 1;
    this.bootedAtMs = this.nowMs;
    const { trialSlot, defaultSlot } = this.boot;
    const isIgnored = trialSlot !== undefined && this.#ignored++ < this.#behaviour.ignoresFlag;
    if (!isIgnored) this.boot = { defaultSlot };
    const wanted = isIgnored ? defaultSlot : (trialSlot ?? defaultSlot);
    this.booted = this.#comesUp(wanted) ? wanted : defaultSlot;
    if (this.booted !== defaultSlot) this.#guardTrial(defaultSlot);
    if (!this.#comesUp(this.booted))
      this.violations.push(`slot ${this.booted} is the default and does not boot`);
  }

  /** What the guard in the slot sees of its trial, and what it does where no agent starts. */
  #guardTrial(defaultSlot: SlotName): void {
    if (!this.slots[this.booted].isGuarded) this.violations.push('tried a slot without its guard');
    if (this.files.defaultSlot === this.booted) this.violations.push('the guard of a trial would do nothing');
    if (this.#behaviour.boots !== 'guardActs' || !this.isNew(this.booted)) return;
    this.endByGuard();
    this.booted = defaultSlot;
  }

  /** The guard in the slot that runs ends this boot. */
  endByGuard(): void {
    this.files.guardNote = { ...NOTE, slot: this.booted, bootId: this.bootId };
    this.boots += 1;
  }

  #comesUp(slot: SlotName): boolean {
    if (this.slots[slot].version === undefined) return false;
    return !this.isNew(slot) || !['panics', 'notLoadable'].includes(this.#behaviour.boots);
  }

  /** The plan is to boot what slot B holds. */
  rollBack(): this {
    this.target = `v${OLDER}`;
    const asked = { kind: 'rollback', targetVersion: this.target, image: undefined } as const;
    this.object = progress({ plan: plan({ ...asked, gate: gate('Closed', 0) }) });
    return this;
  }

  /** The slot holds what the plan wants to be booted. */
  isNew(slot: SlotName): boolean {
    const known = this.target === TARGET ? [OLD, OLDER] : [OLD];
    return !known.includes(this.slots[slot].version ?? OLD);
  }

  get bootId(): string {
    return `boot-${this.boots}`;
  }

  get isReady(): boolean {
    if (!this.isNew(this.booted)) return true;
    if (this.#behaviour.boots === 'resetsAtReady') {
      this.isCut = 'power';
      return false;
    }
    return this.#behaviour.boots !== 'neverReady';
  }

  get isHealthy(): boolean {
    return !this.isNew(this.booted) || this.#behaviour.boots !== 'unhealthy';
  }

  facts(name: SlotName): SlotFacts {
    const { version, hash } = this.slots[name];
    return {
      name,
      path: name,
      sizeBytes: 1,
      superblockHash: `hash-${hash}`,
      ...(version !== undefined && { osRelease: { versionId: version, prettyName: `Demo OS ${version}` } }),
    };
  }

  destroy(slot: SlotName): void {
    this.#assertMayWrite(slot);
    this.slots[slot] = { version: undefined, hash: this.slots[slot].hash + 10 };
  }

  install(slot: SlotName): StagedImage {
    this.#assertMayWrite(slot);
    this.slots[slot] = { version: this.#behaviour.shows, hash: this.slots[slot].hash + 10 };
    return { checksum: CHECKSUM, expandedBytes: 1, superblockHash: this.facts(slot).superblockHash };
  }

  /** Puts a guard into a slot, which makes its superblock another one. */
  guard(slot: SlotName): void {
    if (this.files.marker) this.violations.push('put a guard into a slot that is marked as staged');
    if (slot === this.booted || this.boot.trialSlot) this.violations.push('put a guard into a slot in use');
    const { version, hash } = this.slots[slot];
    this.slots[slot] = { version, hash: hash + 1000, isGuarded: true };
  }

  #assertMayWrite(slot: SlotName): void {
    if (this.target !== TARGET) this.violations.push('wrote to a slot although it was to be rolled back to');
    if (slot === this.booted) this.violations.push('wrote to the running slot');
    if (this.boot.defaultSlot !== this.booted) this.violations.push('wrote to a slot while on trial');
    if (this.boot.trialSlot !== undefined) this.violations.push('wrote to a slot that is armed');
    if (this.files.marker) this.violations.push('wrote to a slot that is marked as staged');
  }

  arm(slot: SlotName): void {
    if (this.#behaviour.refusesToArm) throw new StalledError('BootEnvironmentInvalid', 'no room');
    const status = this.object?.status;
    if (this.object && (status?.phase !== 'Rebooting' || status.bootId !== this.bootId))
      this.violations.push('armed a reboot that the status does not tell of');
    if (this.object && this.object.spec.plan?.gate.state !== 'Open')
      this.violations.push('armed behind the gate');
    if (this.files.marker?.superblockHash !== this.facts(slot).superblockHash)
      this.violations.push('armed a slot that is not the one that was verified');
    if (this.files.defaultSlot !== this.booted) this.violations.push('armed, and guards are told otherwise');
    if (this.files.guardNote) this.violations.push('armed with the note of an earlier trial');
    this.boot = this.#behaviour.switchesPlainly
      ? { defaultSlot: slot }
      : { defaultSlot: this.boot.defaultSlot, trialSlot: slot };
  }

  settle(slot: SlotName): void {
    if (slot !== this.boot.defaultSlot) this.#assertMayCommit(slot);
    this.boot = { defaultSlot: slot };
  }

  #assertMayCommit(slot: SlotName): void {
    if (this.slots[slot].version === OLD) return;
    if (slot !== this.booted) this.violations.push('made a slot the default that does not run');
    if (this.slots[slot].version !== this.target.slice(1)) this.violations.push('committed another version');
    if (this.#behaviour.boots !== 'well') this.violations.push('committed a bad system');
  }

  /** The controller: opens the gate for the attempt that is staged, by and by. */
  moveGate(): void {
    const { object } = this;
    const attempt = object?.status?.attempt ?? 0;
    if (!object?.spec.plan || attempt === 0) return;
    const next: Partial<Record<string, Gate['state']>> = { Staged: 'Draining', Draining: 'Open' };
    const state = next[object.status?.phase ?? ''];
    if (!state) return;
    const changed = { ...object.spec.plan, gate: gate(state, attempt) };
    this.object = { ...object, spec: { ...object.spec, plan: changed } };
    this.#bump();
  }

  writeStatus(status: OSUpgradeProgress['status']): OSUpgradeProgress | undefined {
    if (!this.object || !status) return undefined;
    const isEnd = ['Completed', 'Failed', 'RolledBack'].includes(status.phase ?? '');
    if (isEnd && this.booted !== this.boot.defaultSlot)
      this.violations.push(`${status.phase} while on trial`);
    if (status.phase === 'Completed' && this.slots[this.booted].version !== this.target.slice(1))
      this.violations.push('Completed on another version');
    this.object = { ...this.object, status };
    this.writes += 1;
    return this.#bump();
  }

  #bump(): OSUpgradeProgress | undefined {
    if (!this.object) return undefined;
    const resourceVersion = String(Number(this.object.metadata.resourceVersion) + 1);
    this.object = { ...this.object, metadata: { ...this.object.metadata, resourceVersion } };
    return this.object;
  }
}
