import { StalledError, TransientError } from '../../../domain/errors.ts';
import { fetchFile } from '../fetch-file.ts';
import { discard, type HttpAnswer, type HttpClient } from '../http-client.ts';
import type { PatienceOptions } from '../patience.ts';
import { partStart } from '../validators.ts';
import { digestOf, startDigest } from './digest.ts';
import type { EndpointClient } from './endpoint-client.ts';
import type { Hosts } from './hosts.ts';
import type { Descriptor } from './manifest.ts';

/** How blobs are fetched. */
export interface BlobOptions extends PatienceOptions {
  readonly hosts: Hosts;
}

/**
 * The bytes of a blob, from first to last, however often the connection breaks in between. A digest names the same
 * bytes everywhere, so what one host began another one may finish.
 * @throws StalledError `ChecksumMismatch` at the end if they do not have the digest, or as soon as they are too many
 */
export async function* fetchBlob(options: BlobOptions, descriptor: Descriptor): AsyncGenerator<Buffer> {
  const { digest, size } = descriptor;
  if (size === 0) {
    if (digestOf(Buffer.alloc(0), digest) !== digest)
      throw mismatch(digest, 'is not of 0 bytes, as its manifest says');
    return;
  }
  const running = startDigest(digest);
  let bytes = 0;
  const client = blobClient(options.hosts, descriptor);
  for await (const chunk of fetchFile({ ...options, client, onTotal: () => undefined })) {
    bytes += chunk.length;
    if (bytes > size) throw mismatch(digest, `has more than the ${size} bytes that its manifest says`);
    running.update(chunk);
    yield chunk;
  }
  if (bytes !== size || running.finish() !== digest) throw mismatch(digest, 'does not have that digest');
}

/** Asks all hosts for one blob, as if it were one file on one server. */
function blobClient(hosts: Hosts, { digest, size }: Descriptor): HttpClient {
  let last: { offset: number; client: EndpointClient } | undefined;
  return {
    get: async ({ range }, signal) => {
      const offset = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? '0');
      // Nothing new came from there, so another one is asked first.
      if (last !== undefined && last.offset === offset) hosts.demote(last.client);
      return hosts.tryEach('canPull', async client => {
        const answer = await ask(client, `blobs/${digest}`, { offset, signal });
        last = { offset, client };
        return normalized(answer, { digest, size, offset });
      });
    },
    close: async () => undefined,
  };
}

async function ask(
  client: EndpointClient,
  path: string,
  { offset, signal }: { offset: number; signal: AbortSignal },
): Promise<HttpAnswer> {
  const headers: Record<string, string> = offset === 0 ? {} : { range: `bytes=${offset}-` };
  const answer = await client.get(path, headers, signal);
  const { statusCode } = answer.response;
  if (
    statusCode === 200 ||
    (statusCode === 206 && offset > 0 && partStart(answer.response.headers) === offset)
  )
    return answer;
  await discard(answer.response);
  // A range that the server does not understand: then everything, of which the beginning is skipped.
  const whole = await client.get(path, {}, signal);
  if (whole.response.statusCode === 200) return whole;
  await discard(whole.response);
  throw new TransientError('DownloadFailed', `${whole.where} answers HTTP ${whole.response.statusCode}`);
}

/** The answer with the headers that a file server would send: the digest is its tag, and the length is told. */
async function normalized(
  { response, where }: HttpAnswer,
  { digest, size, offset }: { digest: string; size: number; offset: number },
): Promise<HttpAnswer> {
  const { statusCode, headers } = response;
  if (/^text\/html\b/i.test(String(headers['content-type']))) {
    await discard(response);
    // A portal that wants a click, or a proxy's apology.
    throw new TransientError('DownloadFailed', `${where} answers with a web page instead of the blob`);
  }
  const isPart = statusCode === 206;
  const told = isPart ? /\/(\d+)$/.exec(String(headers['content-range']))?.[1] : headers['content-length'];
  if (told !== undefined && Number(told) !== size) {
    await discard(response);
    throw mismatch(
      digest,
      `has ${Number(told)} bytes at ${where} instead of the ${size} that its manifest says`,
    );
  }
  const length = isPart
    ? { 'content-range': `bytes ${offset}-${size - 1}/${size}` }
    : { 'content-length': String(size) };
  return { response: { ...response, headers: { etag: `"${digest}"`, ...length } }, where };
}

const mismatch = (digest: string, problem: string): StalledError =>
  new StalledError('ChecksumMismatch', `the blob ${digest} ${problem}: push the image anew`);
