import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { runProgram, TOOL_PATH } from './run-program.ts';

/** The label of the file system on a slot; `undefined` if no readable file system with a right superblock is there. */
export async function readLabel(slotPath: string): Promise<string | undefined> {
  const stats = await runProgram('debugfs', '-R', 'show_super_stats -h', slotPath);
  const name = /^Filesystem volume name:\s+(.*)$/m.exec(stats)?.[1];
  return name === '<none>' ? '' : name;
}

/** Tells whether a plain file that is not empty lies at `file` in the slot's file system. */
export async function hasFile(slotPath: string, file: string): Promise<boolean> {
  const stat = await runProgram('debugfs', '-R', `stat ${file}`, slotPath);
  return /Type: regular/.test(stat) && /^User:.*Size: [1-9]/m.test(stat);
}

/** The text of a small file in the slot's file system; empty if there is none. */
export const readTextFile = (slotPath: string, file: string): Promise<string> =>
  runProgram('debugfs', '-R', `cat ${file}`, slotPath);

/** The lines `KEY=value` of `/etc/os-release` in a slot, unquoted. */
export async function readOsRelease(slotPath: string): Promise<Record<string, string>> {
  return parseAssignments(await readTextFile(slotPath, '/etc/os-release'));
}

/** Reads lines `KEY=value`, with or without double quotes. */
export function parseAssignments(text: string): Record<string, string> {
  const pairs = [...text.matchAll(/^([A-Za-z_]\w*)=(.*)$/gm)];
  return Object.fromEntries(pairs.map(([, key = '', value = '']) => [key, value.replace(/^"(.*)"$/, '$1')]));
}

/**
 * Why a system that was loaded would not get far: its file system is inconsistent, or its payload is not the one it
 * was built with. `undefined` for a sound one. So a slot of which some blocks were never written is caught.
 */
export async function findDamage(slotPath: string): Promise<string | undefined> {
  try {
    await runProgram('e2fsck', '-fn', slotPath);
  } catch (error) {
    return `the file system is damaged: ${error instanceof Error ? error.message.split('\n', 3).join(' ') : error}`;
  }
  const expected = (await readTextFile(slotPath, '/usr/share/payload.sha256')).trim();
  return (await hashFile(slotPath, '/usr/share/payload')) === expected ? undefined : 'the payload is damaged';
}

async function hashFile(slotPath: string, file: string): Promise<string> {
  const env = { ...process.env, PATH: TOOL_PATH };
  const reader = spawn('debugfs', ['-R', `cat ${file}`, slotPath], {
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const hash = createHash('sha256');
  const exited = once(reader, 'exit');
  for await (const chunk of reader.stdout) hash.update(chunk);
  await exited;
  return hash.digest('hex');
}
