import { AGENT_INSTALL } from './agent-install.ts';
import { AGENT_KILLED } from './agent-killed.ts';
import { AGENT_UPGRADED } from './agent-upgraded.ts';
import { API_SERVER } from './api-server.ts';
import { BOOT } from './boot.ts';
import { BOOT_LATE } from './boot-late.ts';
import type { MachineCase } from './case.ts';
import { DISK_BOOT_LOADER } from './disk-boot-loader.ts';
import { DISK_MEDIUM } from './disk-medium.ts';
import { DISK_SLOTS } from './disk-slots.ts';
import { HAND } from './hand.ts';
import { NAMES } from './names.ts';
import { POWER } from './power.ts';
import { ROLLBACKS } from './rollbacks.ts';
import { TRIAL_AGENT } from './trial-agent.ts';
import { TRIAL_GUARDED } from './trial-guarded.ts';
import { TRIAL_INERT } from './trial-inert.ts';
import { TRIAL_JUDGED } from './trial-judged.ts';
import { UPGRADE_KINDS } from './upgrade-kinds.ts';
import { UPGRADES } from './upgrades.ts';

/** Every case, in the order of the report. */
export const CASES: readonly MachineCase[] = [
  ...UPGRADES,
  ...UPGRADE_KINDS,
  ...ROLLBACKS,
  ...API_SERVER,
  ...BOOT,
  ...BOOT_LATE,
  ...TRIAL_JUDGED,
  ...TRIAL_GUARDED,
  ...TRIAL_AGENT,
  ...TRIAL_INERT,
  ...DISK_BOOT_LOADER,
  ...DISK_SLOTS,
  ...DISK_MEDIUM,
  ...NAMES,
  ...HAND,
  ...AGENT_KILLED,
  ...AGENT_UPGRADED,
  ...AGENT_INSTALL,
  ...POWER,
];
