import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { addAbortSignal, type Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { type Peekable, peekable } from '../agent/install/peekable.ts';
import { messageOf, StalledError } from '../domain/errors.ts';
import { UsageError } from './exit.ts';

const CHUNK_BYTES = 1024 * 1024;

/** The image, as it comes. */
export interface FlashInput extends Peekable {
  readonly name: string;
  /** 0 if that is not known. */
  readonly totalBytes: number;
  /** How many bytes have come so far. */
  bytesCome(): number;
  close(): void;
}

/** What an input may be told. */
export interface InputOptions {
  /** So long no byte may come, once the first has. */
  readonly stallMs: number;
  readonly signal: AbortSignal;
}

/**
 * Opens a file, or standard input for `-`.
 * @throws UsageError if the file cannot be read, or somebody sits at standard input
 */
export async function openInput(file: string, options: InputOptions): Promise<FlashInput> {
  if (file === '-') {
    if (process.stdin.isTTY)
      throw new UsageError('the image is missing: name a file, or let it come through a pipe');
    return fromStream('standard input', 0, process.stdin, options);
  }
  const found = await stat(file).catch((cause: unknown) => {
    throw new UsageError(`cannot read ${file}: ${messageOf(cause)}`);
  });
  if (found.isDirectory()) throw new UsageError(`${file} is a folder: name an image`);
  const stream = createReadStream(file, { highWaterMark: CHUNK_BYTES });
  return fromStream(file, found.isFile() ? found.size : 0, stream, options);
}

function fromStream(name: string, totalBytes: number, stream: Readable, options: InputOptions): FlashInput {
  addAbortSignal(options.signal, stream);
  // An iteration that is not waiting must not leave the error unhandled.
  stream.on('error', () => undefined);
  const chunks: AsyncIterator<Buffer> = stream[Symbol.asyncIterator]();
  let come = 0;
  const pull = async (): Promise<IteratorResult<Buffer>> => {
    const next = await (come > 0 ? withLimit(chunks.next(), name, options.stallMs) : chunks.next());
    if (!next.done) come += next.value.length;
    return next;
  };
  return {
    ...{ name, totalBytes, ...peekable(pull) },
    bytesCome: () => come,
    close: () => void stream.destroy(),
  };
}

/** A sender that fell silent must not keep the slot for ever: the agent waits for it. */
async function withLimit<T>(next: Promise<T>, name: string, stallMs: number): Promise<T> {
  const over = new AbortController();
  const tooLate = delay(stallMs, undefined, { signal: over.signal }).then(() => {
    throw new StalledError(
      'DownloadStalled',
      `no byte has come from ${name} for ${stallMs / 1000} s: see the sender and the network, then flash again`,
    );
  });
  try {
    return await Promise.race([next, tooLate]);
  } finally {
    over.abort();
    tooLate.catch(() => undefined);
    next.catch(() => undefined);
  }
}
