import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UBootBoard } from '../../agent/boot/uboot-board.ts';
import { runProgram, TOOL_PATH } from '../../env/node/run-program.ts';
import { type ConsoleLine, createConsole, tailOf } from '../qemu/console.ts';
import type { UBootBuild } from './build.ts';

const MIB = 1024 * 1024;
const FAT = { startMiB: 1, sizeMiB: 16 };
const SLOTS = { A: { startMiB: 17, sizeMiB: 8 }, B: { startMiB: 25, sizeMiB: 8 } } as const;
const BOOT_MS = 60_000;

/** The plug, and an eye that sees at once what the serial line shows. */
interface Power {
  cut(): void;
  shows(pattern: RegExp): Promise<void>;
}

/**
 * A board of QEMU's with a real U-Boot. Its disk has the environment's two copies on a FAT file system, and the slots
 * with a kernel each; the copies are also plain files below `host.root`, where an agent or a person changes them while
 * the board is off.
 */
export class QemuBoard {
  readonly host: UBootBoard;
  readonly #build: UBootBuild;
  readonly #disk: string;

  private constructor(build: UBootBuild, host: UBootBoard) {
    this.host = host;
    this.#build = build;
    this.#disk = join(host.root, 'disk.raw');
  }

  /** A new board, on which someone saved U-Boot's built-in variables, and then set `variables`. */
  static async create(build: UBootBuild, variables: Readonly<Record<string, string>>): Promise<QemuBoard> {
    const board = new QemuBoard(build, await UBootBoard.create({ preboot: '' }));
    await board.#partition();
    for (const slot of ['A', 'B'] as const) await board.install(slot);
    for (const copy of [0, 1] as const) await board.host.damage(copy);
    await board.sitAt(async line => {
      await line.untilSeen(/Hit any key to stop autoboot/);
      line.type(' ');
      // Once for each copy.
      for (const command of ['saveenv', 'saveenv', 'reset']) {
        await line.untilSeen(/=> $/);
        line.type(`${command}\r`);
        if (command !== 'reset') await line.untilSeen(/Saving[^\n]*OK\n=> $/, { from: line.mark });
      }
    });
    await board.host.set(variables);
    return board;
  }

  /** Makes a slot's file system anew, with its kernel in it or without. */
  async install(slot: 'A' | 'B', { hasKernel = true } = {}): Promise<void> {
    const [tree, image] = [join(this.host.root, `tree-${slot}`), join(this.host.root, `slot-${slot}.img`)];
    const kernel = join(tree, 'boot/Image');
    await mkdir(join(tree, 'boot'), { recursive: true });
    await (hasKernel ? copyFile(this.#build.kernels[slot], kernel) : writeFile(kernel, ''));
    await writeFile(image, '');
    await truncate(image, SLOTS[slot].sizeMiB * MIB);
    await runProgram('mkfs.ext4', '-q', '-F', '-L', `ROOT-${slot}`, '-d', tree, image);
    const seek = `seek=${SLOTS[slot].startMiB}`;
    await runProgram('dd', `if=${image}`, `of=${this.#disk}`, 'bs=1M', seek, 'conv=notrunc', 'status=none');
  }

  /** Switches the board on until it resets or switches itself off, and resolves to what its serial line said. */
  boot(): Promise<string> {
    return this.sitAt(async () => undefined);
  }

  /** The same with someone at the serial line. */
  async sitAt(person: (line: ConsoleLine) => Promise<void>): Promise<string> {
    const { text, isCut } = await this.#run(person);
    if (isCut) throw new Error(`the board hangs:\n${tailOf(text)}`);
    return text;
  }

  /** Switches the board on, and cuts its power so long after it has read its environment. */
  async cutAfter(delayMs: number): Promise<void> {
    await this.#run(async (_line, { cut, shows }) => {
      await shows(/Loading Environment from FAT... OK/);
      setTimeout(cut, delayMs);
    });
  }

  async #run(
    person: (line: ConsoleLine, power: Power) => Promise<void>,
  ): Promise<{ readonly text: string; readonly isCut: boolean }> {
    const fat = `${this.#disk}@@${FAT.startMiB}M`;
    await runProgram('mcopy', '-o', '-i', fat, ...this.host.copies, '::');
    const line = createConsole('the board');
    const qemu = spawn('qemu-system-aarch64', this.#arguments(), {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, PATH: TOOL_PATH },
    });
    const cut = (): void => void qemu.kill('SIGKILL');
    const timer = setTimeout(cut, BOOT_MS);
    const ended = once(qemu, 'close');
    qemu.stdout.on('data', chunk => line.write(String(chunk)));
    const shows = (pattern: RegExp) =>
      new Promise<void>(resolve => qemu.stdout.on('data', () => pattern.test(line.text) && resolve()));
    line.setKeyboard(keys => qemu.stdin.write(keys));
    try {
      await person(line, { cut, shows });
      await ended;
    } finally {
      clearTimeout(timer);
      cut();
    }
    for (const path of this.host.copies)
      await runProgram('mcopy', '-n', '-o', '-i', fat, `::${path.split('/').at(-1)}`, path);
    return { text: line.text, isCut: qemu.signalCode !== null };
  }

  async #partition(): Promise<void> {
    await writeFile(this.#disk, '');
    await truncate(this.#disk, 34 * MIB);
    const table = join(this.host.root, 'partitions.txt');
    const lines = [
      { name: 'BOOT', ...FAT },
      { name: 'ROOT-A', ...SLOTS.A },
      { name: 'ROOT-B', ...SLOTS.B },
    ].map(part => `start=${part.startMiB}MiB, size=${part.sizeMiB}MiB, name=${part.name}\n`);
    await writeFile(table, `label: gpt\n${lines.join('')}`);
    await runProgram('sh', '-c', 'exec sfdisk -q "$1" < "$2"', 'sh', this.#disk, table);
    const fat = join(this.host.root, 'fat.img');
    await writeFile(fat, '');
    await truncate(fat, FAT.sizeMiB * MIB);
    await runProgram('mkfs.vfat', fat);
    const seek = `seek=${FAT.startMiB}`;
    await runProgram('dd', `if=${fat}`, `of=${this.#disk}`, 'bs=1M', seek, 'conv=notrunc', 'status=none');
  }

  #arguments(): string[] {
    return [
      ...['-machine', 'virt', '-cpu', 'cortex-a57', '-accel', 'tcg', '-m', '128'],
      ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-bios', this.#build.firmware],
      ...[
        '-drive',
        `if=none,id=disk,file=${this.#disk},format=raw`,
        '-device',
        'virtio-blk-device,drive=disk',
      ],
      ...['-chardev', 'stdio,id=s0,signal=off', '-serial', 'chardev:s0'],
    ];
  }
}
