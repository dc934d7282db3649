import { statusOf } from './api-errors.ts';
import type { KubeClient, ObjectRef, Resource } from './types.ts';

/** Tells whether a conflict means that the name now belongs to another object than the one we meant. */
export async function isOtherObject(
  resource: Resource<string>,
  ref: ObjectRef & { uid?: string },
  error: unknown,
  get: KubeClient['get'],
): Promise<boolean> {
  if (!ref.uid || statusOf(error)?.code !== 409) return false;
  const uid = await get(resource, ref);
  return uid !== ref.uid;
}

/** The UID of any raw object. */
export const uidOf = (raw: unknown): string => (raw as { metadata?: { uid?: string } }).metadata?.uid ?? '';
