import type { SlotName } from '../../api/monok8s/index.ts';
import type { DefaultCheck, OnDisk } from '../ports.ts';
import { ACT } from './script-act.ts';
import { FIND_OUT, SCRIPT_HEAD } from './script-find-out.ts';
import { UNIT_TEXT } from './unit-text.ts';

/** What a guard has to know, in a system where nothing else may work. */
export interface GuardFacts {
  readonly slot: SlotName;
  /** It acts when the machine has run for so many seconds. */
  readonly limitSeconds: number;
  readonly check: DefaultCheck;
  /** The agent's state folder. */
  readonly state: OnDisk;
  /** Sysfs folder of the disk that the slot lies on: partitions of the same disk are found by their number. */
  readonly disk?: string;
}

/** The places that the script uses; others for trying it out. */
export const SYSTEM_PLACES = {
  ROOT: '',
  PROC: '/proc',
  SYS: '/sys',
  DEV: '/dev',
  RUN: '/run/twinslot-trial-guard',
  PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
} as const;

/** Where the guard's files lie in a slot. */
export const UNIT_NAME = 'twinslot-trial-guard.service';
export const GUARD_FOLDER = '/usr/lib/systemd';
export const SCRIPT_NAME = 'twinslot-trial-guard.sh';

/** How often the script looks whether its slot has become the default. */
const POLL_SECONDS = 10;

/** The two files of a guard. */
export interface GuardFiles {
  readonly script: string;
  readonly unit: string;
}

/** Writes the unit and its script for a slot. */
export function renderGuard(
  facts: GuardFacts,
  places: Readonly<Record<keyof typeof SYSTEM_PLACES, string>> = SYSTEM_PLACES,
): GuardFiles {
  const fill = (text: string): string =>
    text
      .replaceAll('@SLOT@', facts.slot)
      .replaceAll('@LIMIT@', String(facts.limitSeconds))
      .replaceAll('@SCRIPT@', `${GUARD_FOLDER}/${SCRIPT_NAME}`)
      .replaceAll('@UNITS@', `${GUARD_FOLDER}/system`)
      .replaceAll('@UNIT@', UNIT_NAME);
  return {
    script: `${fill(SCRIPT_HEAD)}${factsText(facts, places)}${FIND_OUT}${ACT}`,
    unit: fill(UNIT_TEXT),
  };
}

function factsText(facts: GuardFacts, places: Readonly<Record<string, string>>): string {
  const { slot, limitSeconds, check, state, disk } = facts;
  const isGrub = check.type === 'grub';
  const values = {
    ...places,
    SLOT: slot,
    LIMIT: String(limitSeconds),
    POLL: String(POLL_SECONDS),
    CHECK: check.type,
    ...(isGrub && placeValues('ENV', check.environment, disk)),
    ...(!isGrub && { VARIABLE: check.variable, FW_CONFIG: check.config ?? '' }),
    ...placeValues('STATE', state, disk),
  };
  const lines = Object.entries(values).map(([name, value]) => `${name}=${quoted(value)}\n`);
  const own = check.values
    .filter(value => !/[\0\n]/.test(value))
    // As it stands in GRUB's file: a backslash keeps the next character.
    .map(value => quoted(isGrub ? value.replaceAll('\\', '\\\\') : value));
  if (isGrub && check.isFirst) own.push("''");
  const isOwn = own.length === 0 ? '' : `  case $1 in ${own.join(' | ')}) return 0 ;; esac\n`;
  return `\n${lines.join('')}export PATH\n\nis_own_value() {\n${isOwn}  return 1\n}\n`;
}

function placeValues(prefix: string, place: OnDisk, disk: string | undefined): Record<string, string> {
  const { path, mountPoint, inside, fsType, device = {} } = place;
  const isOnDisk = disk !== undefined && device.disk === disk && device.partition !== undefined;
  return {
    [`${prefix}_PATH`]: path,
    // As the mount table writes it.
    [`${prefix}_MOUNT`]: mountPoint.replace(/[\\ \t\n]/g, escapedOctal),
    [`${prefix}_INSIDE`]: inside,
    [`${prefix}_TYPE`]: fsType,
    [`${prefix}_PARTUUID`]: device.partUuid ?? '',
    [`${prefix}_UUID`]: device.uuid ?? '',
    [`${prefix}_NUMBER`]: isOnDisk ? String(device.partition) : '',
  };
}

const escapedOctal = (character: string): string =>
  `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`;

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
