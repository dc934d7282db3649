import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UBootSettings } from '../../../src/agent/boot/boot-loader-settings.ts';
import { createUBoot } from '../../../src/agent/boot/uboot.ts';
import type { BootLoader } from '../../../src/agent/ports.ts';
import { runProgram } from '../../env/node/run-program.ts';

/** Size of each copy of the environment. */
export const ENVIRONMENT_BYTES = 0x4000;

/** What the environment of a board that is set up as docs/u-boot.md says holds at first. */
export const INITIAL = {
  boot_slot: 'A',
  bootlimit: '1',
  bootcmd: 'run load_slot; reset',
  altbootcmd: 'setenv boot_slot A; saveenv; run bootcmd',
} as const;

/** The host's root of a board: its `fw_env.config`, and the two copies of the environment as plain files. */
export class UBootBoard {
  readonly root: string;

  private constructor(root: string) {
    this.root = root;
  }

  static async create(variables: Readonly<Record<string, string>> = INITIAL): Promise<UBootBoard> {
    const board = new UBootBoard(await mkdtemp(join(tmpdir(), 'uboot-')));
    for (const folder of ['etc', 'boot', 'run/lock', 'var'])
      await mkdir(join(board.root, folder), { recursive: true });
    await board.configure('/boot/uboot.env 0x0 0x4000\n/boot/uboot-redund.env 0x0 0x4000\n');
    for (const path of board.copies) await writeFile(path, Buffer.alloc(ENVIRONMENT_BYTES));
    const script = Object.entries(variables).map(([name, value]) => `${name}=${value}\n`);
    await writeFile(join(board.root, 'first.txt'), script.join(''));
    await runProgram(
      'fw_setenv',
      '-c',
      await board.#config(),
      '-f',
      join(board.root, 'first.txt'),
      'made',
      '1',
    );
    // Once more, so that either copy is right.
    await board.set({ made: '' });
    return board;
  }

  /** The two copies: U-Boot and the tools write the one that is older. */
  get copies(): readonly [string, string] {
    return [join(this.root, 'boot/uboot.env'), join(this.root, 'boot/uboot-redund.env')];
  }

  bootLoader(settings: object = {}): BootLoader {
    return createUBoot({
      hostRoot: this.root,
      bootLoader: UBootSettings.parse({ type: 'u-boot', ...settings }),
    });
  }

  configure(text: string): Promise<void> {
    return writeFile(join(this.root, 'etc/fw_env.config'), text);
  }

  /** All variables, as the tool prints them. */
  async variables(): Promise<Record<string, string>> {
    const lines = (await runProgram('fw_printenv', '-c', await this.#config())).trim().split('\n');
    return Object.fromEntries(lines.map(line => /^([^=]*)=(.*)$/.exec(line)?.slice(1) ?? []));
  }

  /** Sets variables as a person does; an empty value removes one. */
  async set(values: Readonly<Record<string, string>>): Promise<void> {
    const script = Object.entries(values).map(([name, value]) => `${name}=${value}\n`);
    const file = join(this.root, 'script.txt');
    await writeFile(file, script.join(''));
    await runProgram('fw_setenv', '-c', await this.#config(), '-f', '/nowhere', '-s', file);
  }

  /** The bytes of both copies. */
  async bytes(): Promise<Buffer[]> {
    return Promise.all(this.copies.map(path => readFile(path)));
  }

  /** Which of the two copies differs from what it was. */
  async changedCopies(before: readonly Buffer[]): Promise<number[]> {
    const now = await this.bytes();
    return [0, 1].filter(at => !now[at]?.equals(before[at] ?? Buffer.alloc(0)));
  }

  /** Changes a byte of a copy, so that its checksum is wrong. */
  async damage(copy: 0 | 1): Promise<void> {
    const handle = await open(this.copies[copy], 'r+');
    await handle.write(Buffer.from([0xff]), 0, 1, 64);
    await handle.close();
  }

  /** Puts a copy together from the first bytes of what it is and the rest of what it was, as a power cut may. */
  async tear(copy: 0 | 1, before: readonly Buffer[], bytes: number): Promise<void> {
    const [now, then] = [(await this.bytes())[copy], before[copy]];
    if (!now || !then) throw new Error('no such copy');
    await writeFile(this.copies[copy], Buffer.concat([now.subarray(0, bytes), then.subarray(bytes)]));
  }

  /** Both copies as they were. */
  async restore(before: readonly Buffer[]): Promise<void> {
    await Promise.all(this.copies.map((path, at) => writeFile(path, before[at] ?? '')));
  }

  remove(): Promise<void> {
    return rm(this.root, { recursive: true });
  }

  async #config(): Promise<string> {
    const file = join(this.root, 'fw_env.config.here');
    const lines = this.copies.map(path => `${path} 0x0 0x${ENVIRONMENT_BYTES.toString(16)}\n`);
    await writeFile(file, lines.join(''));
    return file;
  }
}
