import { appendFile, readFile } from 'node:fs/promises';
import { runProgram } from './run-program.ts';
import { findDamage, hasFile, parseAssignments, readLabel, readOsRelease } from './slot-file.ts';
import { runUBoot } from './uboot-node.ts';

/** Files of a machine, as the firmware finds them. */
export interface Machine {
  /** Slot files in the order in which the disks are searched. */
  readonly slots: Readonly<Record<'A' | 'B', string>>;
  readonly grubEnvironment: string;
  readonly grubConfig: string;
  /** The `fw_env.config` by which the firmware finds its environment; absent: it boots by GRUB. */
  readonly uBootConfig?: string;
  /** Gets one line for each thing that the firmware did. */
  readonly bootLog: string;
}

/** What a test breaks about starting one slot's system. */
export interface BootFaults {
  /** GRUB cannot load the kernel. */
  readonly notLoadable: ReadonlySet<'A' | 'B'>;
  /** The kernel starts and panics. */
  readonly panics: ReadonlySet<'A' | 'B'>;
}

/** How a boot ended. At the `menu` nobody sits, and a `loop` of panics never ends: the machine does not come back. */
export type BootResult =
  | { readonly outcome: 'menu' | 'loop' }
  | {
      readonly outcome: 'booted';
      readonly slot: 'A' | 'B';
      readonly osRelease: Record<string, string>;
      readonly commandLine: string;
    };

const PANICS_UNTIL_WE_BELIEVE_IT = 3;

/**
 * Starts the machine as firmware, GRUB and kernel would: `next_entry` is cleared and tried, else `saved_entry`, else
 * the first entry; an entry that cannot be loaded gives way to `fallback`, and a kernel panic starts all over.
 */
export async function boot(machine: Machine, faults: BootFaults): Promise<BootResult> {
  const log = (line: string): Promise<void> => appendFile(machine.bootLog, `${line}\n`);
  for (let panics = 0; panics < PANICS_UNTIL_WE_BELIEVE_IT; panics += 1) {
    const loaded = await runLoader(machine, faults, log);
    if (loaded === 'reset') continue;
    if (loaded === undefined) return { outcome: 'menu' };
    const path = machine.slots[loaded.slot];
    const damage = faults.panics.has(loaded.slot) ? 'fatal exception' : await findDamage(path);
    if (damage === undefined) {
      await log(`kernel: running from slot ${loaded.slot}`);
      return { outcome: 'booted', osRelease: await readOsRelease(path), ...loaded };
    }
    await log(`kernel: panic in slot ${loaded.slot}: ${damage}; rebooting in 3 seconds`);
  }
  return { outcome: 'loop' };
}

/** What the kernel is started with. */
interface Loaded {
  readonly slot: 'A' | 'B';
  readonly commandLine: string;
}

type Log = (line: string) => Promise<void>;

async function runLoader(
  machine: Machine,
  faults: BootFaults,
  log: Log,
): Promise<Loaded | 'reset' | undefined> {
  const { slots, uBootConfig } = machine;
  if (uBootConfig === undefined) return runGrub(machine, faults, log);
  return (await runUBoot({ slots, uBootConfig }, faults.notLoadable, log)) ?? 'reset';
}

async function runGrub(machine: Machine, faults: BootFaults, log: Log): Promise<Loaded | undefined> {
  const environment = await loadEnvironment(machine.grubEnvironment, log);
  const config = await readFile(machine.grubConfig, 'utf8');
  const entries = parseEntries(config);
  const once = config.includes('next_entry') ? environment.next_entry : undefined;
  if (once) {
    await runProgram('grub-editenv', machine.grubEnvironment, 'set', 'next_entry=');
    await log(`GRUB: next_entry=${once}, cleared`);
  }
  const wanted = [once || environment.saved_entry || '0', ...(environment.fallback ?? '').split(' ')];
  for (const name of wanted.filter(word => word !== '')) {
    // As GRUB does, an unknown default means the first entry.
    const entry = findEntry(entries, name) ?? (name === wanted[0] ? entries[0] : undefined);
    const loaded = entry && (await load(entry, machine, faults, log));
    if (loaded) return loaded;
  }
  await log('GRUB: nothing left to try, waiting at the menu');
  return undefined;
}

async function loadEnvironment(path: string, log: Log): Promise<Record<string, string>> {
  try {
    return parseAssignments(await runProgram('grub-editenv', path, 'list'));
  } catch {
    await log('GRUB: error: invalid environment block');
    return {};
  }
}

interface Entry {
  readonly title: string;
  readonly id: string;
  readonly label: string;
  readonly kernel: string;
  readonly commandLine: string;
  readonly initrd: string;
}

function parseEntries(config: string): Entry[] {
  const blocks = [...config.matchAll(/^menuentry\s+'([^']+)'([^{]*)\{([\s\S]*?)^\}/gm)];
  return blocks.map(([, title = '', head = '', body = '']) => {
    const [, kernel = '', options = ''] = /^\s*linux\s+(\S+)\s*(.*)$/m.exec(body) ?? [];
    return {
      title,
      id: /--id\s+'([^']+)'/.exec(head)?.[1] ?? title,
      label: /--label\s+(\S+)/.exec(body)?.[1] ?? '',
      kernel,
      commandLine: `BOOT_IMAGE=${kernel} ${options}`,
      initrd: /^\s*initrd\s+(\S+)/m.exec(body)?.[1] ?? '',
    };
  });
}

const findEntry = (entries: readonly Entry[], name: string): Entry | undefined =>
  entries.find(entry => entry.title === name || entry.id === name) ??
  entries[/^\d+$/.test(name) ? Number(name) : -1];

async function load(
  entry: Entry,
  machine: Machine,
  faults: BootFaults,
  log: Log,
): Promise<Loaded | undefined> {
  await log(`GRUB: loading '${entry.title}'`);
  const slot = await searchLabel(machine, entry.label);
  if (slot === undefined) {
    await log(`GRUB: error: no such device: ${entry.label}`);
    return undefined;
  }
  for (const file of [entry.kernel, entry.initrd]) {
    if (faults.notLoadable.has(slot) || !(await hasFile(machine.slots[slot], file))) {
      await log(`GRUB: error: file '${file}' not found`);
      return undefined;
    }
  }
  return { slot, commandLine: entry.commandLine };
}

/** The first disk with the label wins, whatever GRUB's author had in mind with two of them. */
async function searchLabel(machine: Machine, label: string): Promise<'A' | 'B' | undefined> {
  for (const slot of ['A', 'B'] as const) {
    if ((await readLabel(machine.slots[slot])) === label) return slot;
  }
  return undefined;
}
