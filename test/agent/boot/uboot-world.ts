import { UBootSettings } from '../../../src/agent/boot/boot-loader-settings.ts';
import {
  applyChanges,
  readState,
  settledChanges,
  trialChanges,
} from '../../../src/agent/boot/uboot-state.ts';
import type { BootState } from '../../../src/agent/ports.ts';
import { type Alternative, startUBoot, type UBootVariables } from '../../env/node/uboot-firmware.ts';
import { type Behaviour, type Fault, World } from '../world.ts';

const SETTINGS = UBootSettings.parse({ type: 'u-boot' });
/** More panics than this are a board that does not come back. */
const MAX_STARTS = 5;

/** The same world, on a board with U-Boot: what boots next is what its environment makes of it. */
export class UBootWorld extends World {
  variables: UBootVariables = { boot_slot: 'A', bootlimit: '1' };
  readonly #alternative: Alternative;
  readonly #boots: Behaviour['boots'];
  #ignored: number;

  constructor(behaviour: Behaviour, faults: readonly Fault[], alternative: Alternative) {
    super(behaviour, faults);
    this.#alternative = alternative;
    this.#boots = behaviour.boots;
    this.#ignored = behaviour.ignoresFlag;
    Object.defineProperty(this, 'boot', { get: () => this.#read(), set: state => this.#write(state) });
  }

  override goOn(): void {
    const isReboot = this.isCut === 'power' || this.isRebootAsked;
    this.isCut = undefined;
    this.isRebootAsked = false;
    if (!isReboot) return;
    this.boots += 1;
    this.bootedAtMs = this.nowMs;
    for (let starts = 0; starts < MAX_STARTS; starts += 1) {
      this.booted = this.#start() === 'B' ? 'B' : 'A';
      if (!this.#comesUp()) continue;
      if (!this.#isEndedByGuard()) return;
      this.endByGuard();
    }
    this.violations.push(`slot ${this.booted} is started again and again and does not boot`);
  }

  /** No agent starts in the new system, and the guard in its slot reboots. */
  #isEndedByGuard(): boolean {
    if (this.booted === this.#read().defaultSlot) return false;
    if (!this.slots[this.booted].isGuarded) this.violations.push('tried a slot without its guard');
    return this.#boots === 'guardActs' && this.isNew(this.booted);
  }

  #start(): string {
    const { trialSlot, defaultSlot } = this.#read();
    // Someone started the old slot by hand, at U-Boot's prompt.
    if (trialSlot && trialSlot !== defaultSlot && this.#ignored-- > 0) return defaultSlot;
    const { variables, slot } = startUBoot(this.variables, this.#alternative);
    this.variables = variables;
    return slot;
  }

  #comesUp(): boolean {
    if (this.slots[this.booted].version === undefined) return false;
    if (!this.isNew(this.booted)) return true;
    if (this.#boots === 'guardActs') this.endByGuard();
    return !['panics', 'notLoadable', 'guardActs'].includes(this.#boots);
  }

  #read(): BootState {
    const state = readState(new Map(Object.entries(this.variables)), SETTINGS);
    if ('defaultSlot' in state) return state;
    throw new Error(`${state.variable} is ${state.value}`);
  }

  #write({ defaultSlot, trialSlot }: BootState): void {
    const changes = trialSlot
      ? trialChanges(trialSlot, defaultSlot, SETTINGS)
      : settledChanges(defaultSlot, SETTINGS);
    const before = new Map(Object.entries(this.variables));
    this.variables = Object.fromEntries(applyChanges(before, changes).variables);
  }
}
