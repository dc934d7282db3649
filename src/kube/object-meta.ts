import type { V1ObjectMeta } from '@kubernetes/client-node';
import type { ObjectMeta } from '../api/meta.ts';
import { StalledError } from '../domain/errors.ts';

/** JSON has texts where the client's types have dates. */
export const timeText = (time: unknown): string | undefined => (typeof time === 'string' ? time : undefined);

const MAX_ANNOTATION_CHARS = 4096;

/** Labels and annotations without what kubectl remembers in them: a second copy of the object. */
const trimAnnotations = (annotations: Record<string, string> | undefined): Record<string, string> =>
  Object.fromEntries(
    Object.entries(annotations ?? {}).filter(
      ([name, value]) =>
        name !== 'kubectl.kubernetes.io/last-applied-configuration' && value.length <= MAX_ANNOTATION_CHARS,
    ),
  );

/**
 * The part of an object's metadata that this project reads.
 * @throws StalledError `ObjectInvalid`
 */
export function metaOf(raw: V1ObjectMeta | undefined): ObjectMeta {
  if (!raw?.name || !raw.uid || !raw.resourceVersion)
    throw new StalledError('ObjectInvalid', 'metadata lacks name, uid or resourceVersion');
  const [created, deleted] = [timeText(raw.creationTimestamp), timeText(raw.deletionTimestamp)];
  return {
    name: raw.name,
    uid: raw.uid,
    resourceVersion: raw.resourceVersion,
    ...(raw.namespace && { namespace: raw.namespace }),
    ...(raw.generation !== undefined && { generation: raw.generation }),
    ...(created && { creationTimestamp: created }),
    ...(deleted && { deletionTimestamp: deleted }),
    ...(raw.labels && { labels: raw.labels }),
    ...(raw.annotations && { annotations: trimAnnotations(raw.annotations) }),
    ...(raw.ownerReferences && {
      ownerReferences: raw.ownerReferences.map(({ apiVersion, kind, name, uid }) => ({
        apiVersion,
        kind,
        name,
        uid,
      })),
    }),
  };
}
