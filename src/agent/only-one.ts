import { once } from 'node:events';
import { mkdir, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Logger } from 'winston';
import { errnoOf } from '../domain/errno.ts';
import { messageOf } from '../domain/errors.ts';
import { systemTimer, type Timer, wait } from '../kube/timer.ts';

const ASK_AGAIN_MS = 1_000;

/** Where two agents would get in each other's way, and how to wait. */
export interface OnlyOneOptions {
  /** The state folder: whoever shares it serves the same node. */
  readonly stateDir: string;
  readonly log: Logger;
  readonly timer?: Timer;
}

/**
 * Waits until no other agent works with the same state folder, then keeps others waiting until the returned function is
 * called or the process ends. A name in the abstract socket space does that: it vanishes with the process. Where it
 * cannot be had for another reason, nobody waits: a node without an agent would be worse than one with two.
 * @returns `undefined` if the signal came first
 */
export async function becomeTheOnlyOne(
  { stateDir, log, timer = systemTimer }: OnlyOneOptions,
  signal: AbortSignal,
): Promise<(() => void) | undefined> {
  const name = await lockName(stateDir).catch((error: unknown) => {
    log.warn('cannot tell whether another agent serves this node', { error: messageOf(error) });
    return undefined;
  });
  if (name === undefined) return () => undefined;
  for (let isTold = false; !signal.aborted; isTold = true) {
    const release = await take(name, log);
    if (release) return release;
    if (!isTold) log.warn('another agent serves this node: waiting for its end', { stateDir });
    await wait(timer, ASK_AGAIN_MS, signal);
  }
  return undefined;
}

async function lockName(stateDir: string): Promise<string> {
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  const { dev, ino } = await stat(stateDir);
  return `\0twinslot-agent-${dev}-${ino}`;
}

async function take(name: string, log: Logger): Promise<(() => void) | undefined> {
  const server = createServer(socket => socket.destroy());
  server.listen(name);
  try {
    await once(server, 'listening');
  } catch (error) {
    if (errnoOf(error) === 'EADDRINUSE') return undefined;
    log.warn('cannot keep another agent away', { error: messageOf(error) });
  }
  server.unref();
  return () => void server.close();
}
