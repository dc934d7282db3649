import { execFile } from 'node:child_process';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { promisify } from 'node:util';
import { TOOL_PATH } from '../../env/node/run-program.ts';
import type { DiskLayout, PartitionName } from './layout.ts';
import { replayJournal } from './replay-journal.ts';
import { withScratchFile } from './scratch.ts';

const execute = promisify(execFile);

/** A file to be written into an ext4 file system. */
export interface Ext4File {
  /** From the root of that file system. */
  readonly path: string;
  readonly content: string | Buffer;
  /** Permissions. */
  readonly mode: number;
}

/**
 * Reads a file of a partition that nothing runs from, through symbolic links; undefined if there is none. The journal
 * is replayed first.
 * @throws Error if the partition has no readable ext4
 */
export async function readExt4File(
  disk: DiskLayout,
  partition: PartitionName,
  path: string,
): Promise<Buffer | undefined> {
  await replayJournal(disk, partition);
  const real = await followLinks(disk, partition, path);
  if (real === undefined) return undefined;
  return withScratchFile(async file => {
    await debugfs(disk, partition, [`dump ${quoted(real)} ${quoted(file)}`]);
    return readFile(file);
  });
}

/** Writes a file into a partition that nothing runs from, in place of one that is there. Its folders are made. */
export async function writeExt4File(
  disk: DiskLayout,
  partition: PartitionName,
  { path, content, mode }: Ext4File,
): Promise<void> {
  await replayJournal(disk, partition);
  const commands = await missingFolders(disk, partition, dirname(path));
  if ((await statOf(disk, partition, path)) !== undefined) commands.push(`rm ${quoted(path)}`);
  await withScratchFile(async file => {
    await writeFile(file, content);
    await chmod(file, mode);
    await debugfs(disk, partition, [...commands, `write ${quoted(file)} ${quoted(path)}`]);
  });
}

/** Removes a file from a partition that nothing runs from, if it is there. A link is removed, not what it leads to. */
export async function removeExt4File(
  disk: DiskLayout,
  partition: PartitionName,
  path: string,
): Promise<void> {
  await replayJournal(disk, partition);
  if ((await statOf(disk, partition, path)) === undefined) return;
  await debugfs(disk, partition, [`rm ${quoted(path)}`]);
}

async function missingFolders(disk: DiskLayout, partition: PartitionName, dir: string): Promise<string[]> {
  if (dir === '/' || (await statOf(disk, partition, dir)) !== undefined) return [];
  return [...(await missingFolders(disk, partition, dirname(dir))), `mkdir ${quoted(dir)}`];
}

const MOST_LINKS = 10;

async function followLinks(
  disk: DiskLayout,
  partition: PartitionName,
  path: string,
): Promise<string | undefined> {
  let at = path;
  for (let links = 0; links < MOST_LINKS; links += 1) {
    const stat = await statOf(disk, partition, at);
    const target = stat === undefined ? undefined : /^Fast link dest: "(.*)"$/m.exec(stat)?.[1];
    if (target === undefined) return stat && at;
    at = resolve(dirname(at), target);
  }
  return undefined;
}

/** What debugfs tells of a file; undefined if there is none. */
async function statOf(disk: DiskLayout, partition: PartitionName, path: string): Promise<string | undefined> {
  const { stdout, stderr } = await execute(
    'debugfs',
    ['-R', `stat ${quoted(path)}`, deviceOf(disk, partition)],
    { env: ENV },
  );
  if (/File not found/.test(stderr)) return undefined;
  failOn(stderr);
  return stdout;
}

async function debugfs(
  disk: DiskLayout,
  partition: PartitionName,
  commands: readonly string[],
): Promise<void> {
  await withScratchFile(async script => {
    await writeFile(script, `${commands.join('\n')}\n`);
    const { stderr } = await execute('debugfs', ['-w', '-f', script, deviceOf(disk, partition)], {
      env: ENV,
    });
    failOn(stderr);
  });
}

/** debugfs ends with 0 whatever happens; only what it prints tells. */
function failOn(stderr: string): void {
  const problems = stderr.split('\n').filter(line => line !== '' && !/^debugfs \d/.test(line));
  if (problems.length > 0) throw new Error(problems.join('; '));
}

const ENV = { ...process.env, PATH: TOOL_PATH, LC_ALL: 'C', DEBUGFS_PAGER: 'cat' };

/** e2fsprogs' own way to name a file system inside a file. */
const deviceOf = (disk: DiskLayout, partition: PartitionName): string =>
  `${disk.path}?offset=${disk.partitions[partition].offset}`;

const quoted = (word: string): string => `"${word.replaceAll('"', '""')}"`;
