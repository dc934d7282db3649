import type { SlotName } from '../../api/monok8s/index.ts';
import { StalledError } from '../../domain/errors.ts';
import type { TrialRecord } from '../decide/records.ts';
import type { BootState, SlotLayout } from '../ports.ts';

/** What decides whether a person may write to a slot. */
export interface FlashGround {
  readonly layout: SlotLayout;
  readonly boot: BootState;
  /** The reboot into the other slot that the agent has recorded. */
  readonly trial?: TrialRecord | undefined;
}

/**
 * Refuses to write to a slot that is needed: the running one; any, while the running one is not the default; one that
 * the next boot tries, by the agent's wish or by somebody's.
 * @throws StalledError `SlotRunning`, `TrialUnderWay`, `SlotNotConfirmed`, `SlotArmed`
 */
export function assertFlashable(slot: SlotName, { layout, boot, trial }: FlashGround): void {
  const { booted } = layout;
  if (slot === booted)
    throw new StalledError(
      'SlotRunning',
      `slot ${slot} is the one that the system runs from, so it is not overwritten: ` +
        `flash slot ${slot === 'A' ? 'B' : 'A'}, or boot that one first`,
    );
  if (trial !== undefined && trial.phase !== 'Ended')
    throw new StalledError(
      'TrialUnderWay',
      `the agent is about to boot slot ${trial.targetSlot} as a trial, or tries it (${trial.progress.name}): ` +
        `wait until kubectl get osupgradeprogress ${trial.progress.name} shows how it ended`,
    );
  if (booted !== boot.defaultSlot)
    throw new StalledError(
      'SlotNotConfirmed',
      `slot ${booted} runs, but slot ${boot.defaultSlot} is the default: until the agent has kept slot ${booted} ` +
        `(Event ManualBootKept of the Node), slot ${slot} may be the only good one. Wait for that, or reboot`,
    );
  if (boot.trialSlot === slot)
    throw new StalledError(
      'SlotArmed',
      `slot ${slot} is armed for the next boot, which must not find it half written: take that back ` +
        '(with GRUB: grub-editenv GRUBENV unset next_entry), then flash it',
    );
}
