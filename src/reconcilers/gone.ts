import { messageOf, reasonOf, TransientError } from '../domain/errors.ts';

/**
 * What was deleted meanwhile is nothing for a person to look at: the cache is about to say so.
 * @throws TransientError for a write on what is gone, else the error itself
 */
export function asTransientIfGone(error: unknown): never {
  if (reasonOf(error) !== 'NotFound') throw error;
  throw new TransientError('NotFound', messageOf(error), { cause: error });
}
