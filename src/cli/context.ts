import type { Clock } from '../domain/clock.ts';
import type { FullKubeClient } from '../kube/client.ts';

/** Somewhere to write text to. */
export interface TextOutput {
  write(text: string): void;
}

/** What a command may use of the world around it. */
export interface CliContext {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly stdout: TextOutput;
  readonly stderr: TextOutput;
  /** Text may be coloured and drawn over. */
  readonly isTerminal: boolean;
  /** Width and height of the terminal, in characters. */
  readonly columns: number;
  readonly rows: number;
  readonly clock: Clock;
  /** Ends when the person or the system wants the program to end. */
  readonly signal: AbortSignal;
  readStdin(): Promise<string>;
}

/** Writes one line to stdout. */
export const print = (context: CliContext, line: string): void => context.stdout.write(`${line}\n`);

/** Writes one line to stderr: for people, never for a pipe. */
export const note = (context: CliContext, line: string): void => context.stderr.write(`${line}\n`);

/** A client for one command. It must be closed. Warnings go to stderr. */
export async function connect(context: CliContext, kubeconfig?: string): Promise<FullKubeClient> {
  const [{ loadConnection }, { createKubeClient }, log] = await Promise.all([
    import('../kube/connection.ts'),
    import('../kube/client.ts'),
    createCliLog(),
  ]);
  const connection = await loadConnection({ kubeconfig, environment: context.environment });
  return createKubeClient(connection, { log, userAgent: 'twinslot-ctl' });
}

/** The log of the short commands: warnings alone, on stderr, as text. */
export async function createCliLog() {
  const { default: winston } = await import('winston');
  const line = winston.format.printf(({ message, error }) => `ctl: ${message}${error ? `: ${error}` : ''}`);
  const toStderr = new winston.transports.Console({ stderrLevels: ['error', 'warn'] });
  return winston.createLogger({ level: 'warn', format: line, transports: [toStderr] });
}
