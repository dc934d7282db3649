import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { SetUpError } from '../lib/steps.mjs';

const MAX_OUTPUT_BYTES = 64 << 20;

/** The environment of programs whose output goes into the image: no language, no options of the user. */
export const plainEnvironment = (): NodeJS.ProcessEnv => ({ ...process.env, LC_ALL: 'C', TAR_OPTIONS: '' });

/**
 * Runs a program to its end and answers its stdout.
 * @param wayOut what a person can do when it fails
 * @throws SetUpError with what the program said on stderr
 */
export async function runCommand(
  [program = '', ...args]: readonly string[],
  options: { readonly wayOut: string; readonly env?: NodeJS.ProcessEnv; readonly cwd?: string },
): Promise<string> {
  const { wayOut, env, cwd } = options;
  try {
    const { stdout } = await promisify(execFile)(program, args, {
      maxBuffer: MAX_OUTPUT_BYTES,
      env: { ...plainEnvironment(), ...env },
      ...(cwd === undefined ? {} : { cwd }),
    });
    return stdout;
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
    throw new SetUpError([`${program} failed: ${said || String(error)}`, wayOut]);
  }
}
