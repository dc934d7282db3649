import { createCipheriv, randomBytes } from 'node:crypto';

/** Makes a fingerprint of bytes that lie at a position; the same for the same of both, and for nothing else. */
export type Fingerprint = (bytes: Buffer, position: number) => Buffer;

/**
 * Fingerprints under a key that nobody else knows (AES-GMAC, 128 bits), so that none can be met on purpose either.
 * They tell whether a disk gives back what it was given, at an eighth of the price of SHA-256; they mean nothing to
 * another process.
 */
export function createFingerprint(): Fingerprint {
  const key = randomBytes(16);
  return (bytes, position) => {
    const nonce = Buffer.alloc(12);
    nonce.writeBigUInt64BE(BigInt(position));
    const cipher = createCipheriv('aes-128-gcm', key, nonce).setAAD(bytes);
    cipher.final();
    return cipher.getAuthTag();
  };
}
