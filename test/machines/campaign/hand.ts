import type { MachineCase } from './case.ts';
import { HAND_EMERGENCY } from './hand-emergency.ts';
import { HAND_FLASH } from './hand-flash.ts';
import { HAND_MENU } from './hand-menu.ts';
import { HAND_PROMPT } from './hand-prompt.ts';
import { HAND_RESCUE } from './hand-rescue.ts';
import { HANGS_WATCHDOG } from './hand-watchdog.ts';

/** What a person does by hand, at the machine or on it; and the watchdog, for which there are pages too. */
export const HAND: readonly MachineCase[] = [
  HAND_MENU,
  HAND_PROMPT,
  HAND_FLASH,
  HAND_RESCUE,
  HAND_EMERGENCY,
  HANGS_WATCHDOG,
];
