import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runProgram } from './run-program.ts';
import { hasFile, parseAssignments } from './slot-file.ts';
import { startUBoot, type UBootVariables } from './uboot-firmware.ts';

const ENVIRONMENT_BYTES = 0x4000;
const COPIES = ['/boot/uboot.env', '/boot/uboot-redund.env'] as const;
const KERNEL = '/boot/vmlinuz';

/** What an agent on such a node is told of its boot loader. */
export const UBOOT_CONFIG = { type: 'u-boot', files: [KERNEL] } as const;

/** What U-Boot starts the kernel with. */
interface Loaded {
  readonly slot: 'A' | 'B';
  readonly commandLine: string;
}

/** Puts U-Boot's environment and the host's `fw_env.config` on a node. */
export async function installUBoot({
  root,
  uBootConfig,
}: {
  root: string;
  uBootConfig: string;
}): Promise<void> {
  for (const folder of ['etc', 'boot', 'run/lock']) await mkdir(join(root, folder), { recursive: true });
  const config = (paths: readonly string[]) => paths.map(path => `${path} 0x0 0x4000\n`).join('');
  await writeFile(join(root, 'etc/fw_env.config'), config(COPIES));
  const paths = COPIES.map(path => join(root, path));
  await writeFile(uBootConfig, config(paths));
  for (const path of paths) await writeFile(path, Buffer.alloc(ENVIRONMENT_BYTES));
  const first = `${uBootConfig}.first`;
  await writeFile(
    first,
    'boot_slot=A\nbootlimit=1\nbootcmd=run load; reset\naltbootcmd=run back; run bootcmd\n',
  );
  for (const count of ['0', '1'])
    await runProgram(
      'fw_setenv',
      '-c',
      uBootConfig,
      '-f',
      first,
      'upgrade_available',
      '0',
      'bootcount',
      count,
    );
}

/** U-Boot's variables, read by its own tool. */
export const readUBoot = async (uBootConfig: string): Promise<Record<string, string>> =>
  parseAssignments(await runProgram('fw_printenv', '-c', uBootConfig));

/**
 * Starts the node as U-Boot does: counts, saves, and loads the kernel of the slot that `bootcmd` or `altbootcmd` names.
 * @returns `undefined` where it cannot be loaded, and U-Boot resets
 */
export async function runUBoot(
  { slots, uBootConfig }: { slots: Readonly<Record<'A' | 'B', string>>; uBootConfig: string },
  notLoadable: ReadonlySet<string>,
  log: (line: string) => Promise<void>,
): Promise<Loaded | undefined> {
  const before = await readUBoot(uBootConfig);
  const { variables, slot, isAlternative } = startUBoot(before);
  await save(uBootConfig, before, variables);
  if (isAlternative) await log('U-Boot: Bootlimit exceeded. Using altbootcmd.');
  await log(`U-Boot: loading slot ${slot}`);
  if (slot !== 'A' && slot !== 'B') throw new Error(`boot_slot is ${slot}`);
  if (notLoadable.has(slot) || !(await hasFile(slots[slot], KERNEL))) {
    await log(`U-Boot: cannot load ${KERNEL}, resetting`);
    return undefined;
  }
  return { slot, commandLine: `root=LABEL=ROOT-${slot} ro rootfstype=ext4 panic=3` };
}

async function save(uBootConfig: string, before: UBootVariables, after: UBootVariables): Promise<void> {
  const names = Object.keys({ ...before, ...after }).filter(name => before[name] !== after[name]);
  if (names.length === 0) return;
  const script = `${uBootConfig}.script`;
  await writeFile(script, names.map(name => `${name}=${after[name] ?? ''}\n`).join(''));
  await runProgram('fw_setenv', '-c', uBootConfig, '-f', '/nowhere', '-s', script);
}

/** Copies the environment, for a boot that is only a rehearsal; resolves to the `fw_env.config` of the copy. */
export async function copyUBoot(uBootConfig: string, dir: string): Promise<string> {
  const lines = (await readFile(uBootConfig, 'utf8')).trimEnd().split('\n');
  const copied = lines.map(async (line, at) => {
    const [path = '', ...rest] = line.split(' ');
    const copy = join(dir, `rehearsal-${at}.env`);
    await copyFile(path, copy);
    return [copy, ...rest].join(' ');
  });
  const config = join(dir, 'rehearsal.config');
  await writeFile(config, `${(await Promise.all(copied)).join('\n')}\n`);
  return config;
}
