import type { V1ObjectMeta } from '@kubernetes/client-node';
import { z } from 'zod';
import type { ApiObject } from '../api/meta.ts';
import { StalledError } from '../domain/errors.ts';
import { metaOf } from './object-meta.ts';
import type { Resource } from './types.ts';

/** What makes up a kind of ours. */
export interface CustomKind<Spec, Status> {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  readonly spec: z.ZodType<Spec>;
  readonly status: z.ZodType<Status>;
}

/** A kind of ours: the spec must be right; a status that someone else spoiled counts as absent. */
export function customResource<Spec, Status>(
  kind: CustomKind<Spec, Status>,
): Resource<ApiObject<Spec, Status>> {
  const apiVersion = `${kind.group}/${kind.version}`;
  return {
    group: kind.group,
    version: kind.version,
    kind: kind.kind,
    plural: kind.plural,
    namespaced: kind.namespaced,
    parse: raw => {
      const object = raw as { metadata?: V1ObjectMeta; spec?: unknown; status?: unknown };
      const metadata = metaOf(object.metadata);
      const spec = kind.spec.safeParse(object.spec ?? {});
      if (!spec.success)
        throw new StalledError(
          'ObjectInvalid',
          `${kind.kind} ${metadata.name}: spec: ${z.prettifyError(spec.error)}`,
        );
      const status = kind.status.safeParse(object.status);
      return {
        apiVersion,
        kind: kind.kind,
        metadata,
        spec: spec.data,
        ...(status.success && { status: status.data }),
      };
    },
  };
}
