import { createHash } from 'node:crypto';

/** A digest that grows with the bytes that go by. */
export interface RunningDigest {
  update(bytes: Buffer): void;
  /** `sha256:<hex>` or `sha512:<hex>`; once. */
  finish(): string;
}

/** Begins a digest of the same kind as `like`, which has passed `isDigest`. */
export function startDigest(like: string): RunningDigest {
  const algorithm = like.slice(0, like.indexOf(':'));
  const hash = createHash(algorithm);
  return { update: bytes => void hash.update(bytes), finish: () => `${algorithm}:${hash.digest('hex')}` };
}

/** The digest of some bytes, of the same kind as `like`. */
export function digestOf(bytes: Buffer, like = 'sha256:'): string {
  const digest = startDigest(like);
  digest.update(bytes);
  return digest.finish();
}
