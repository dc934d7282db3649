import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { copyFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { TOOL_PATH } from '../../env/node/run-program.ts';
import { eventually } from '../../env/wait.ts';
import { type Hardware, qemuArguments, UEFI_VARIABLES } from './command-line.ts';
import { type Console, createConsole } from './console.ts';
import { connectSocket, type Qmp, type QmpEvent, speakQmp } from './qmp.ts';
import { createShell, type Shell } from './shell.ts';

/** How one run of the machine ended: it reset itself, was switched off by its system, or lost its power. */
export type BootEnd = 'reset' | 'power-off' | 'power-cut' | 'watchdog';

/** One run from firmware to reset. */
export interface Boot {
  /** Where its text begins on the console. */
  readonly mark: number;
  end?: BootEnd;
}

/** An emulated machine. It resets as a machine does: the emulator ends and is started again, which is quicker. */
export interface Machine extends Shell {
  readonly console: Console;
  /** The runs so far; the last one is under way if it has no end. */
  readonly boots: readonly Boot[];
  readonly isOn: boolean;
  /** Kills the emulator in the middle of whatever it does. The machine stays off. */
  cutPower(): Promise<void>;
  /** Switches on again, optionally with other hardware. */
  powerOn(change?: Partial<Hardware>): Promise<void>;
  /** What is different from its next start on, however that comes about. */
  change(hardware: Partial<Hardware>): void;
  /** Resolves when the machine has been started `count` times. */
  untilBoot(count: number, timeoutMs?: number): Promise<void>;
  /**
   * Asks the emulator itself: https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html
   * @throws Error when it refuses, or is off
   */
  control(command: string, values?: Readonly<Record<string, unknown>>): Promise<unknown>;
  /** Cuts the power for good. */
  stop(): Promise<void>;
}

/** Switches a machine on. It ends with this process, however that ends. */
export async function startMachine(name: string, hardware: Hardware): Promise<Machine> {
  const console = createConsole(name);
  const shell = createShell(name);
  const boots: Boot[] = [];
  let current = hardware;
  let child: ChildProcess | undefined;
  let isCut = false;
  let control: Qmp | undefined;

  const run = async (): Promise<void> => {
    const { dir } = current;
    for (const socket of ['shell.sock', 'qmp.sock']) await rm(join(dir, socket), { force: true });
    const started = spawn(
      'setpriv',
      ['--pdeathsig', 'KILL', '--', 'qemu-system-x86_64', ...qemuArguments(current)],
      { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, PATH: TOOL_PATH } },
    );
    child = started;
    const boot: Boot = { mark: console.mark };
    boots.push(boot);
    const exited = once(started, 'exit');
    let stderr = '';
    let end: BootEnd | undefined;
    started.stdout.on('data', chunk => console.write(String(chunk)));
    started.stderr.on('data', chunk => {
      stderr += chunk;
    });
    started.stdin.on('error', () => undefined);
    console.setKeyboard(keys => started.stdin.write(keys));
    const isRunning = (): boolean => started.exitCode === null && started.signalCode === null;
    const listen = async (): Promise<void> => {
      const [qmp, line] = await Promise.all(
        ['qmp.sock', 'shell.sock'].map(socket => connectSocket(join(dir, socket), isRunning)),
      );
      if (line) shell.attach(line);
      if (qmp)
        control = speakQmp(qmp, event => {
          end = end === 'watchdog' ? end : (endOf(event) ?? end);
        });
    };
    void listen().catch(() => undefined);
    void exited.then(async () => {
      shell.detach();
      control = undefined;
      boot.end = isCut ? 'power-cut' : (end ?? 'power-cut');
      if (!isCut && end === undefined) console.write(`\n[the emulator ended: ${stderr.trim()}]\n`);
      if (boot.end === 'reset' || boot.end === 'watchdog') await run();
    });
  };

  const cutPower = async (): Promise<void> => {
    isCut = true;
    const ending = child;
    if (ending && ending.exitCode === null && ending.signalCode === null) {
      const exited = once(ending, 'exit');
      ending.kill('SIGKILL');
      await exited;
    }
    await eventually(() => boots.at(-1)?.end !== undefined, { timeoutMs: 5000, what: `${name} is off` });
  };
  const powerOn = async (change: Partial<Hardware> = {}): Promise<void> => {
    current = { ...current, ...change };
    isCut = false;
    const variables = join(current.dir, 'uefi-variables.fd');
    if (current.firmware === 'uefi' && !existsSync(variables)) await copyFile(UEFI_VARIABLES, variables);
    await run();
  };
  await powerOn();
  return {
    console,
    boots,
    get isOn() {
      return boots.at(-1)?.end === undefined;
    },
    run: shell.run,
    cutPower,
    powerOn,
    change: hardware => {
      current = { ...current, ...hardware };
    },
    control: async (command, values) => {
      const line = await eventually(() => control, { timeoutMs: 10_000, what: `${name} has an emulator` });
      return line.ask(command, values);
    },
    untilBoot: async (count, timeoutMs = 180_000) => {
      await eventually(() => boots.length >= count, { timeoutMs, what: `${name} is started ${count} times` });
    },
    stop: cutPower,
  };
}

function endOf({ event, data }: QmpEvent): BootEnd | undefined {
  if (event === 'WATCHDOG') return 'watchdog';
  if (event !== 'SHUTDOWN') return undefined;
  // After a watchdog the reset that it causes is told too.
  return data?.reason === 'guest-shutdown' ? 'power-off' : 'reset';
}
