import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { stringify } from 'yaml';
import { ROOT } from '../../tools/lib/paths.mjs';
import { type BootResult, boot } from '../env/node/firmware.ts';
import { GRUB_CONFIG, GRUB_ENVIRONMENT } from '../env/node/grub-config.ts';
import { NodeFaults } from '../env/node/node-faults.ts';
import {
  type DiskParameters,
  installNode,
  type NodeFiles,
  SLOT_PATHS,
  showBootedSystem,
} from '../env/node/node-files.ts';
import { readOsRelease } from '../env/node/slot-file.ts';
import type { CtlResult } from './run-ctl.ts';

/** A running `ctl flash`. */
export interface Flashing {
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  /** What it printed on stderr so far. */
  said(): string;
  readonly ended: Promise<CtlResult>;
}

/** Starts `ctl flash` with the settings of a node. */
export function startFlash(configFile: string, args: readonly string[]): Flashing {
  const all = [join(ROOT, 'src/ctl.ts'), 'flash', '--config', configFile, ...args];
  const child = spawn(process.execPath, all, { env: { PATH: process.env.PATH ?? '' } });
  child.stdin.on('error', () => undefined);
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString('utf8');
  });
  const ended = Promise.all([once(child, 'close'), text(child.stdout)]).then(([[code], stdout]) => ({
    code,
    stdout,
    stderr: said,
  }));
  return { child, said: () => said, ended };
}

/** A machine that runs, without an agent: slot A holds v1.34.1, slot B nothing. */
export class FlashMachine {
  readonly dir: string;
  readonly files: NodeFiles;
  readonly configFile: string;

  private constructor(dir: string, files: NodeFiles) {
    this.dir = dir;
    this.files = files;
    this.configFile = join(dir, 'agent.yaml');
  }

  static async make(disk: Partial<DiskParameters> = {}, settings: object = {}): Promise<FlashMachine> {
    const dir = await mkdtemp(join(tmpdir(), 'flash-'));
    const machine = new FlashMachine(dir, await installNode(dir, { version: 'v1.34.1', ...disk }));
    await machine.boot();
    const bootLoader = { type: 'grub', environment: GRUB_ENVIRONMENT, config: GRUB_CONFIG };
    const config = { hostRoot: machine.files.root, slots: SLOT_PATHS, bootLoader, ...settings };
    await writeFile(machine.configFile, stringify(config));
    return machine;
  }

  remove(): Promise<void> {
    return rm(this.dir, { recursive: true });
  }

  /** Starts the machine anew. */
  async boot(): Promise<Extract<BootResult, { outcome: 'booted' }>> {
    const result = await boot(this.files, new NodeFaults());
    if (result.outcome !== 'booted') throw new Error(`the machine did not come up: ${result.outcome}`);
    await showBootedSystem(this.files, result);
    return result;
  }

  /** Runs `ctl flash` to its end. */
  async flash(args: readonly string[], stdin: Buffer | string = ''): Promise<CtlResult> {
    const { child, ended } = startFlash(this.configFile, args);
    child.stdin.end(stdin);
    return ended;
  }

  /** The version in slot B; undefined if there is no system. */
  async versionInB(): Promise<string | undefined> {
    return (await readOsRelease(this.files.slots.B)).VERSION_ID;
  }

  /** Whether nothing finds a file system on slot B. */
  async isBUnfindable(): Promise<boolean> {
    const handle = await open(this.files.slots.B, 'r');
    try {
      const head = await handle.read(Buffer.alloc(4096), 0, 4096, 0);
      return head.buffer.every(byte => byte === 0);
    } finally {
      await handle.close();
    }
  }
}

/** A port on which nobody listens. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return address.port;
}

/** Whether somebody listens on a port; asking takes no connection from them. */
export async function isListening(port: number): Promise<boolean> {
  const tables = await Promise.all(['tcp', 'tcp6'].map(name => readFile(`/proc/net/${name}`, 'utf8')));
  const place = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return tables.some(table =>
    table.split('\n').some(line => new RegExp(`^ *\\d+: \\w+${place} \\S+ 0A `).test(line)),
  );
}

/** Ends a process, if it still runs, and waits for that. */
export async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}
