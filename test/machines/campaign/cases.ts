import { AGENT_INSTALL } from './agent-install.ts';
import { AGENT_KILLED } from './agent-killed.ts';
import { AGENT_UPGRADED } from './agent-upgraded.ts';
import { API_SERVER } from './api-server.ts';
import { BOOT } from './boot.ts';
import type { MachineCase } from './case.ts';
import { DISK_BOOT_LOADER } from './disk-boot-loader.ts';
import { HAND } from './hand.ts';
import { POWER } from './power.ts';
import { ROLLBACKS } from './rollbacks.ts';
import { TRIAL_AGENT } from './trial-agent.ts';
import { TRIAL_GUARDED } from './trial-guarded.ts';
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
  ...TRIAL_JUDGED,
  ...TRIAL_GUARDED,
  ...TRIAL_AGENT,
  ...DISK_BOOT_LOADER,
  ...HAND,
  ...AGENT_KILLED,
  ...AGENT_UPGRADED,
  ...AGENT_INSTALL,
  ...POWER,
];
