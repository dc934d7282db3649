/*
 * A preload (`NODE_OPTIONS=--import=…`) that cuts the power at a chosen write: writes that were not flushed are lost
 * or torn, and the process dies at once. Killing it alone would prove nothing, as the page cache survives that.
 *
 * POWER_CUT_ROOT   only files below this folder are followed
 * POWER_CUT_TRACE  gets a line for each operation, over several starts: `write /slots/b.img 4096+512`
 * POWER_CUT_AT     the how-many-eth operation is the last one; 0: none, operations are only traced
 * POWER_CUT_ON     counts only operations whose line contains this
 * POWER_CUT_SEED   what becomes of each write is drawn from it
 * SIGUSR2          cuts the power at once
 *
 * Child processes and worker threads are not seen.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import { FollowedCalls, type Follower } from './power-cut-calls.ts';
import { installCalls } from './power-cut-install.ts';
import { Journal } from './power-cut-journal.ts';

const { POWER_CUT_ROOT: root, POWER_CUT_TRACE: trace, POWER_CUT_ON: on = '' } = process.env;
const cutAt = Number(process.env.POWER_CUT_AT ?? 0);
const seed = Number(process.env.POWER_CUT_SEED ?? 1);

if (isMainThread && root !== undefined && trace !== undefined) {
  // Programs that this one starts are on their own.
  for (const name of ['NODE_OPTIONS', 'POWER_CUT_ROOT', 'POWER_CUT_TRACE']) delete process.env[name];
  await follow(root, trace);
}

async function follow(folder: string, traceFile: string): Promise<void> {
  const traced = existsSync(traceFile) ? readFileSync(traceFile, 'utf8').split('\n').slice(0, -1) : [];
  let count = traced.filter(line => line.includes(on)).length;
  const journal = new Journal(`${traceFile}.lost`);

  const cut = (): void => {
    journal.lose(seededRandom(seed));
    appendFileSync(traceFile, `cut after ${count}\n`);
    process.kill(process.pid, 'SIGKILL');
  };
  const step: Follower['step'] = (line, act, { isFlush = false } = {}) => {
    appendFileSync(traceFile, `${line}\n`);
    count += line.includes(on) ? 1 : 0;
    const isLast = line.includes(on) && count === cutAt;
    // A flush comes too late; any other operation may still be kept, lost or torn.
    if (isLast && isFlush) cut();
    const result = act(isLast);
    if (isLast) cut();
    return result;
  };

  process.on('SIGUSR2', cut);
  const isInside = (path: string): boolean => path === folder || path.startsWith(`${folder}/`);
  await installCalls(new FollowedCalls({ journal, root: folder, step }), isInside);
}

/** The same sequence for the same seed on every machine: a linear congruential generator of 48 bits. */
function seededRandom(start: number): () => number {
  let state = (BigInt(start) * 0x9e3779b97f4a7c15n) & 0xffffffffffffn;
  return () => {
    state = (state * 0x5deece66dn + 0xbn) & 0xffffffffffffn;
    return Number(state >> 16n) / 2 ** 32;
  };
}
