import { CommanderError } from 'commander';
import { messageOf, reasonOf, StalledError } from '../domain/errors.ts';
import type { CliContext } from './context.ts';
import { note } from './context.ts';
import { clean } from './table.ts';

/** Exit codes of every command. */
const EXIT = {
  ok: 0,
  /** It could not be done, or what was checked is wrong. */
  failed: 1,
  /** The command line itself is wrong. */
  usage: 2,
  /** Somebody pressed Ctrl-C before it was done. */
  interrupted: 130,
} as const;

/** Ends the command with exit code 2: the command line asks for something that cannot be meant. */
export class UsageError extends StalledError {
  constructor(message: string, options?: ErrorOptions) {
    super('UsageInvalid', message, options);
  }
}

/** Tells the person what went wrong, in one line (with the stack if `DEBUG` is set), and answers the exit code. */
export function reportFailure(error: unknown, context: CliContext): number {
  // Commander has written its message, or the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (context.signal.aborted && reasonOf(error) === 'Aborted') return EXIT.interrupted;
  note(context, `ctl: ${oneLine(messageOf(error))}`);
  if (context.environment.DEBUG && error instanceof Error) note(context, error.stack ?? '');
  return error instanceof UsageError ? EXIT.usage : EXIT.failed;
}

const oneLine = (text: string): string => clean(text.replaceAll(/\s*\n\s*/g, ' ')).trim();
