import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** The file system tools live in sbin, which is not on the PATH of every user. */
export const TOOL_PATH = `${process.env.PATH}:/usr/local/sbin:/usr/sbin:/sbin`;

/**
 * Runs a program of the operating system and resolves to what it printed on stdout.
 * @throws Error with its stderr when it exits with anything but 0, or is not installed
 */
export async function runProgram(program: string, ...args: string[]): Promise<string> {
  const options = { env: { ...process.env, PATH: TOOL_PATH, LC_ALL: 'C' }, maxBuffer: 16 * 1024 * 1024 };
  return (await execute(program, args, options)).stdout;
}
