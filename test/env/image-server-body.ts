import { open } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { BodyPlan } from './image-server-faults.ts';

const CHUNK_BYTES = 64 * 1024;

/** Which bytes of which file a response carries. */
export interface BodyRange {
  readonly file: string;
  readonly startByte: number;
  /** One past the last byte. */
  readonly endByte: number;
}

/** Sends a part of a file as `plan` wants it; resolves when the response is over, in whatever way. */
export async function sendBody(
  response: ServerResponse,
  range: BodyRange,
  plan: BodyPlan,
  onSent: (bytes: number) => void,
): Promise<void> {
  const stopByte = Math.min(range.endByte, plan.resetAt ?? range.endByte, plan.stallAt ?? range.endByte);
  const file = await open(range.file);
  try {
    for (let offset = range.startByte; offset < stopByte && !response.destroyed; ) {
      const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, stopByte - offset));
      const { bytesRead } = await file.read(chunk, 0, chunk.length, offset);
      if (bytesRead === 0) break;
      flip(chunk, (plan.flipAt ?? -1) - offset);
      if (!response.write(chunk.subarray(0, bytesRead)) && !response.destroyed) await drained(response);
      onSent(bytesRead);
      offset += bytesRead;
      if (plan.bytesPerSecond !== undefined) await delay((bytesRead / plan.bytesPerSecond) * 1000);
    }
  } finally {
    await file.close();
  }
  if (stopByte === range.endByte) response.end();
  else if (plan.stallAt !== stopByte) await hangUp(response);
}

function flip(chunk: Buffer, at: number): void {
  const byte = chunk[at];
  if (byte !== undefined) chunk[at] = byte ^ 1;
}

/** Resolves when there is room for more, or nobody listens any more. */
const drained = (response: ServerResponse): Promise<void> =>
  new Promise(resolve => {
    const done = (): void => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });

/** Hangs up after what was written has left, so that the other side gets exactly that. */
async function hangUp(response: ServerResponse): Promise<void> {
  response.flushHeaders();
  if (response.destroyed) return;
  await new Promise<void>(resolve => response.write('', () => resolve()));
  response.socket?.end();
  response.socket?.destroySoon();
}
