import type { MachineCase } from './case.ts';
import { HAND_MENU } from './hand-menu.ts';

/** What a person does by hand, at the machine or on it. */
export const HAND: readonly MachineCase[] = [HAND_MENU];
