import type { MachineCase } from './case.ts';
import { UPGRADES } from './upgrades.ts';

/** Every case, in the order of the report. */
export const CASES: readonly MachineCase[] = [...UPGRADES];
