import { StalledError, TransientError } from '../../domain/errors.ts';
import { classifyFailure, classifyStatus } from './failures.ts';
import { discard, type HttpAnswer, type HttpClient } from './http-client.ts';
import { createPatience, type Patience, type PatienceOptions } from './patience.ts';
import {
  isRecognisable,
  isSameFile,
  partStart,
  rangeHeaders,
  retryAfterMs,
  type Validators,
  validatorsOf,
} from './validators.ts';

export type { Timing } from './patience.ts';

/** One download, as its caller follows it. */
export interface FetchOptions extends PatienceOptions {
  readonly client: HttpClient;
  /** How many bytes there will be, once the server has said it. */
  onTotal(bytes: number): void;
}

/** The file on the server became another one while it was fetched, or may have: everything has to begin anew. */
export class FileChangedError extends TransientError {
  constructor(where: string, isRecognised: boolean) {
    const why = isRecognised
      ? 'changed while it was fetched'
      : 'cannot be resumed, as the server sends neither ETag nor Last-Modified';
    super('ImageChanged', `${where} ${why}: beginning anew`);
  }
}

/** How far a download is. */
interface Progress {
  offset: number;
  first: Validators | undefined;
}

/**
 * The bytes of a file, from first to last, however often the connection breaks in between.
 * @throws StalledError for what a person has to change, and `DownloadStalled` when no new byte came for `stallMs`;
 *   FileChangedError if the file became another one
 */
export async function* fetchFile(options: FetchOptions): AsyncGenerator<Buffer> {
  const { signal } = options;
  const patience = createPatience(options);
  const progress: Progress = { offset: 0, first: undefined };
  for (;;) {
    try {
      yield* fetchRest(options, progress, patience);
      return;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof StalledError || error instanceof FileChangedError) throw error;
      await patience.waitOrGiveUp(error);
    }
  }
}

/** One connection: what is left of the file, as far as it holds. */
async function* fetchRest(
  options: FetchOptions,
  progress: Progress,
  patience: Patience,
): AsyncGenerator<Buffer> {
  const { client, signal } = options;
  const answer = await client.get(rangeHeaders(progress.offset, progress.first ?? {}), signal);
  let skip = await judge(answer, progress);
  const total = progress.first?.total;
  if (progress.offset === 0 && total !== undefined) options.onTotal(total);
  try {
    for await (const chunk of answer.response.body) {
      const fresh: Buffer = chunk.subarray(Math.min(skip, chunk.length));
      skip -= chunk.length - fresh.length;
      if (fresh.length === 0) continue;
      progress.offset += fresh.length;
      yield fresh;
      // Counted from when the next byte is asked for: a slow disk is not the server's silence.
      patience.heard();
    }
  } catch (error) {
    signal.throwIfAborted();
    throw classifyFailure(error, answer.where);
  }
  if (total !== undefined && progress.offset < total) {
    throw new TransientError('DownloadFailed', `${answer.where}: the connection was closed early`);
  }
}

/**
 * Decides what an answer is good for.
 * @returns how many of its bytes are there already
 */
async function judge({ response, where }: HttpAnswer, progress: Progress): Promise<number> {
  const { statusCode, headers } = response;
  const { first, offset } = progress;
  const now = validatorsOf(statusCode, headers);
  const isPart = statusCode === 206 && offset > 0;
  if (statusCode === 200 || isPart) {
    progress.first ??= now;
    if (first === undefined || offset === 0) {
      progress.first = now;
      return 0;
    }
    if (isSameFile(first, now)) {
      if (isPart && partStart(headers) === offset) return 0;
      // The server ignores ranges. Without anything to recognise the file by, its beginning may be another now.
      if (!isPart && isRecognisable(first)) return offset;
    }
  }
  await discard(response);
  if (statusCode === 200 || isPart || statusCode === 412 || statusCode === 416)
    throw new FileChangedError(where, isRecognisable(first ?? {}));
  throw classifyStatus(statusCode, where, retryAfterMs(headers));
}
