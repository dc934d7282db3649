import { InvariantError } from '../domain/errors.ts';
import type { ObjectRef, Resource, Selection } from './types.ts';

/** The part of a `Resource` that makes its address. */
export type ResourceAddress = Omit<Resource<unknown>, 'parse'>;

/** Path of a kind's collection; of all namespaces if the kind has some and none is given. */
export function collectionPath(resource: ResourceAddress, namespace?: string): string {
  const root = resource.group === '' ? '/api' : `/apis/${resource.group}`;
  const scope = resource.namespaced && namespace ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `${root}/${resource.version}${scope}/${resource.plural}`;
}

/** Path of one object, or of its subresource. */
export function objectPath(resource: ResourceAddress, ref: ObjectRef, subresource?: string): string {
  if (resource.namespaced && !ref.namespace)
    throw new InvariantError(`${resource.kind} ${ref.name} is addressed without its namespace`);
  if (ref.name === '') throw new InvariantError(`${resource.kind} is addressed without a name`);
  const path = `${collectionPath(resource, ref.namespace)}/${encodeURIComponent(ref.name)}`;
  return subresource ? `${path}/${subresource}` : path;
}

/** Query of a list or watch. */
export function selectionQuery(selection: Selection): Record<string, string> {
  const { labelSelector, fieldSelector } = selection;
  return { ...(labelSelector && { labelSelector }), ...(fieldSelector && { fieldSelector }) };
}

/** Key of an object in a cache: `name`, or `namespace/name`. */
export const keyOf = (ref: ObjectRef): string => (ref.namespace ? `${ref.namespace}/${ref.name}` : ref.name);

/** An object in words for messages: `osupgrades/a`, `pods/default/a`. */
export const describeRef = (resource: ResourceAddress, ref: ObjectRef): string =>
  `${resource.plural}/${keyOf(ref)}`;
