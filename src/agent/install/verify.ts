import { StalledError } from '../../domain/errors.ts';

const CHECKSUM = /^sha256:([0-9a-f]{64})$/i;

/**
 * Refuses a checksum that cannot be compared with anything, before anything is fetched.
 * @throws StalledError `ChecksumInvalid`
 */
export function assertChecksumForm(checksum: string): void {
  if (CHECKSUM.test(checksum)) return;
  throw new StalledError(
    'ChecksumInvalid',
    `the checksum ${JSON.stringify(checksum)} must be sha256: and 64 hexadecimal digits; sha256sum FILE prints them`,
  );
}

/**
 * @param expected undefined where none was asked for
 * @throws StalledError `ChecksumMismatch` naming both digests
 */
export function assertChecksum(expected: string | undefined, digest: string, otherProblem?: string): void {
  if (expected === undefined) return;
  if (CHECKSUM.exec(expected)?.[1]?.toLowerCase() === digest) return;
  throw new StalledError(
    'ChecksumMismatch',
    `the fetched file has the checksum sha256:${digest}, but ${expected} was asked for: correct the checksum ` +
      '(sha256sum FILE prints it; it is of the file at the address, packed as it is) or the file on the server' +
      (otherProblem === undefined ? '' : `; besides, ${otherProblem}`),
  );
}

/**
 * @param soFar given while more may come: then only too many bytes are a mismatch
 * @throws StalledError `SizeMismatch` naming both numbers
 */
export function assertSize(expected: number | undefined, bytes: number, soFar?: 'so far'): void {
  if (expected === undefined || bytes === expected || (soFar !== undefined && bytes < expected)) return;
  throw new StalledError(
    'SizeMismatch',
    `the image expands to ${soFar === undefined ? '' : 'at least '}${bytes} bytes, but its size is given as ` +
      `${expected}: correct size (zstd -lv FILE shows it) or the file`,
  );
}
