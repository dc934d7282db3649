import type { Socket } from 'node:net';
import { eventually } from '../../env/wait.ts';

/** What a command in the machine answered. */
export interface ShellResult {
  readonly code: number;
  /** stdout and stderr. */
  readonly output: string;
}

/** A root shell in the running system, on the second serial line. */
export interface Shell {
  /** @throws Error when it does not answer in time (default 60 s), the machine being off included */
  run(command: string, options?: { readonly timeoutMs?: number }): Promise<ShellResult>;
}

/** The shell of a machine whose emulator comes and goes. */
export interface ShellLine extends Shell {
  attach(socket: Socket): void;
  detach(): void;
}

const PATIENCE_MS = 60_000;
const GREETING_EVERY_MS = 500;

/** Makes a shell that knows its answers by marks: what else comes along on the line does not matter. */
export function createShell(name: string): ShellLine {
  let socket: Socket | undefined;
  let text = '';
  let count = 0;
  let isBusy: Promise<unknown> = Promise.resolve();

  const ask = async (command: string, timeoutMs: number): Promise<ShellResult> => {
    count += 1;
    const mark = `=${count}-${process.pid}=`;
    text = '';
    const line = `printf '\\n<%s\\n' '${mark}'; { ${command}\n} </dev/null 2>&1; printf '\\n>%s %d\\n' '${mark}' $?\n`;
    const answer = new RegExp(`\\n<${mark}\\n([\\s\\S]*?)\\n>${mark} (\\d+)\\n`);
    let lastMs = -Infinity;
    const match = await eventually(
      () => {
        // Before the shell listens, what is typed is lost.
        const isHeard = text.includes(`<${mark}`);
        if (!isHeard && performance.now() - lastMs > GREETING_EVERY_MS * 10) {
          lastMs = performance.now();
          socket?.write(line);
        }
        return answer.exec(text) ?? undefined;
      },
      {
        timeoutMs,
        everyMs: 50,
        what: `${name} answers to ${command}; it said ${JSON.stringify(text.slice(-500))}`,
      },
    );
    return { code: Number(match[2]), output: (match[1] ?? '').trim() };
  };

  return {
    attach: opened => {
      socket = opened;
      socket.on('data', chunk => {
        text += String(chunk).replaceAll('\r', '');
      });
    },
    detach: () => {
      socket?.destroy();
      socket = undefined;
    },
    run: (command, { timeoutMs = PATIENCE_MS } = {}) => {
      const answer = isBusy.then(() => ask(command, timeoutMs));
      isBusy = answer.catch(() => undefined);
      return answer;
    },
  };
}
