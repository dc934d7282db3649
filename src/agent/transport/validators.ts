/** What tells whether a file on a server is still the same one. */
export interface Validators {
  readonly etag?: string;
  readonly lastModified?: string;
  /** Bytes of the whole file. */
  readonly total?: number;
}

type Headers = Readonly<Record<string, string | string[] | undefined>>;

const text = (value: string | string[] | undefined): string | undefined =>
  Array.isArray(value) ? value[0] : value;

/** Reads them from an answer, whole (200) or a part (206). */
export function validatorsOf(status: number, headers: Headers): Validators {
  const etag = text(headers.etag);
  const lastModified = text(headers['last-modified']);
  const length =
    status === 206
      ? /\/(\d+)$/.exec(text(headers['content-range']) ?? '')?.[1]
      : text(headers['content-length']);
  return {
    ...(etag === undefined ? {} : { etag }),
    ...(lastModified === undefined ? {} : { lastModified }),
    ...(length === undefined ? {} : { total: Number(length) }),
  };
}

/** Tells whether two answers are of the same file, as far as the server says anything. */
export function isSameFile(first: Validators, now: Validators): boolean {
  if (first.total !== undefined && now.total !== undefined && first.total !== now.total) return false;
  if (first.etag !== undefined || now.etag !== undefined) return first.etag === now.etag;
  return first.lastModified === now.lastModified;
}

/** Tells whether the server gave anything to recognise the file by. */
export const isRecognisable = ({ etag, lastModified }: Validators): boolean =>
  etag !== undefined || lastModified !== undefined;

/**
 * Headers that ask for the rest of a file, provided that it is still the same.
 * @source RFC 9110, 13.1.5: If-Range takes a strong ETag, or a date
 */
export function rangeHeaders(offset: number, { etag, lastModified }: Validators): Record<string, string> {
  if (offset === 0) return {};
  const condition = etag !== undefined && !etag.startsWith('W/') ? etag : lastModified;
  return { range: `bytes=${offset}-`, ...(condition === undefined ? {} : { 'if-range': condition }) };
}

/** Where a partial answer begins; undefined if it does not say. */
export const partStart = (headers: Headers): number | undefined => {
  const start = /^bytes (\d+)-/.exec(text(headers['content-range']) ?? '')?.[1];
  return start === undefined ? undefined : Number(start);
};

/** Milliseconds for which a server asks to be left alone; 0 if it does not. */
export const retryAfterMs = (headers: Headers): number => {
  const seconds = Number(text(headers['retry-after']) ?? '0');
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), 60) * 1000 : 0;
};
