import type { BootFaults } from './firmware.ts';
import type { Pod } from './node-objects.ts';

type Slot = 'A' | 'B';

/** What a test breaks about a node. All of it can be changed while the node runs; most of it shows at the next boot. */
export class NodeFaults implements BootFaults {
  /** Slots whose kernel GRUB cannot read. */
  readonly notLoadable = new Set<Slot>();
  /** Slots whose kernel starts and panics. */
  readonly panics = new Set<Slot>();
  /** Slots whose system comes up, but whose kubelet never says Ready. */
  readonly neverReady = new Set<Slot>();
  /** Slots whose running system shows another version than its image does. */
  readonly shownVersion = new Map<Slot, string>();
  /** How long a reboot keeps the machine away, beyond what it takes here. */
  bootDelayMs = 0;
  /** A reboot lasts until this is settled. */
  bootHold: Promise<unknown> | undefined;
  /** How long a pod takes to end; `undefined`: it never does. */
  podRemovalDelayMs: (pod: Pod) => number | undefined = () => 50;
}
