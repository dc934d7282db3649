import { lookup as dnsLookup, type LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { Agent, type Dispatcher, request } from 'undici';
import { isMetadataAddress } from '../domain/address.ts';
import { messageOf, StalledError, TransientError } from '../domain/errors.ts';

/** Bounds of one fetch. */
export interface FetchTextOptions {
  readonly signal: AbortSignal;
  /** Allows plain http. A redirect from https to http is refused even then. */
  readonly allowHttp: boolean;
  readonly maxBytes: number;
  /** Certificates (PEM) to trust instead of the system's roots. */
  readonly ca?: string;
  /** The whole fetch is given up after so long. Default 30,000. */
  readonly timeoutMs?: number;
}

const MAX_REDIRECTS = 5;

/**
 * Fetches a small text, such as a catalog. Addresses that are link-local or a cloud's metadata service are refused
 * after name resolution, at every redirect. Nothing of a body ever stands in a message.
 * @throws StalledError `InsecureAddress`, `AddressInvalid`, `AddressForbidden`, `CatalogTooLarge`
 * @throws TransientError `CatalogUnreachable`
 */
export async function fetchText(address: string, options: FetchTextOptions): Promise<string> {
  const agent = new Agent({
    connect: { lookup: guardedLookup, ...(options.ca === undefined ? {} : { ca: options.ca }) },
  });
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(options.timeoutMs ?? 30_000)]);
  try {
    return await follow(checkAddress(address, options.allowHttp), agent, { ...options, signal });
  } catch (error) {
    throw classify(error, address);
  } finally {
    await agent.destroy();
  }
}

async function follow(start: URL, dispatcher: Dispatcher, options: FetchTextOptions): Promise<string> {
  let url = start;
  for (let hops = 0; hops <= MAX_REDIRECTS; hops += 1) {
    const { statusCode, headers, body } = await request(url, { dispatcher, signal: options.signal });
    if (statusCode === 200) return await readAll(body, options.maxBytes);
    // A body that ends before its time says so by an error, which would end the process if nobody listened.
    body.on('error', () => undefined).destroy();
    const { location } = headers;
    if (statusCode < 300 || statusCode > 399 || typeof location !== 'string') {
      throw new TransientError('CatalogUnreachable', `${url.origin} answered with HTTP status ${statusCode}`);
    }
    url = nextHop(url, location, options.allowHttp);
  }
  throw new TransientError(
    'CatalogUnreachable',
    `${start.origin} redirects more than ${MAX_REDIRECTS} times`,
  );
}

function nextHop(from: URL, location: string, allowHttp: boolean): URL {
  const to = checkAddress(URL.parse(location, from.href)?.href ?? '', allowHttp);
  if (from.protocol === 'https:' && to.protocol === 'http:') {
    throw new StalledError(
      'InsecureAddress',
      `${from.origin} redirects from https to plain http: give an https address`,
    );
  }
  return to;
}

function checkAddress(text: string, allowHttp: boolean): URL {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw new StalledError('AddressInvalid', 'the address must begin with https:// or http://');
  }
  if (url.username !== '' || url.password !== '') {
    throw new StalledError('AddressInvalid', 'the address must not hold a user name or password');
  }
  if (url.protocol === 'http:' && !allowHttp) {
    throw new StalledError(
      'InsecureAddress',
      `${url.origin} is plain http: serve it over https, or start the controller with --allow-http-catalogs`,
    );
  }
  // A literal address is never looked up.
  if (isMetadataAddress(url.hostname)) throw forbidden(url.hostname);
  return url;
}

const forbidden = (host: string): StalledError =>
  new StalledError(
    'AddressForbidden',
    `${host} is a link-local or metadata address, from which nothing is fetched`,
  );

const guardedLookup: LookupFunction = (host, options, callback) => {
  dnsLookup(host, { ...options, all: true }, (error, addresses) => {
    const [first] = addresses ?? [];
    if (error !== null || first === undefined) return callback(error, '', 0);
    if (addresses.some(({ address }: LookupAddress) => isMetadataAddress(address))) {
      return callback(forbidden(host), '', 0);
    }
    if (options.all === true) return callback(null, addresses);
    callback(null, first.address, first.family);
  });
};

async function readAll(body: AsyncIterable<Buffer>, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > maxBytes) {
      throw new StalledError(
        'CatalogTooLarge',
        `the answer is larger than ${maxBytes / 2 ** 20} MiB: remove versions that nobody installs any more`,
      );
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function classify(error: unknown, address: string): Error {
  if (error instanceof StalledError || error instanceof TransientError) return error;
  const host = URL.parse(address)?.host ?? 'the address';
  return new TransientError('CatalogUnreachable', `cannot fetch from ${host}: ${messageOf(error)}`, {
    cause: error,
  });
}
