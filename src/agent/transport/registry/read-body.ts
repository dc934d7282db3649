import { classifyFailure } from '../failures.ts';
import type { HttpAnswer } from '../http-client.ts';

/**
 * Reads a small answer.
 * @returns undefined if it is larger than `maxBytes`
 * @throws TransientError when the connection breaks
 */
export async function readBody(
  { response, where }: HttpAnswer,
  maxBytes: number,
): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response.body) {
      bytes += chunk.length;
      if (bytes > maxBytes) return undefined;
      chunks.push(chunk);
    }
  } catch (error) {
    throw classifyFailure(error, where);
  }
  return Buffer.concat(chunks);
}
