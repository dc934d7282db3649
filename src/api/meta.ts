import { z } from 'zod';

/** A CamelCase word that stays the same for one cause, in conditions, Events and logs. */
export const Reason = z.string().regex(/^[A-Za-z][A-Za-z0-9]*$/);

/** RFC 3339 time; nullable because the documents write `startedAt: null`. */
export const NullableTime = z.string().meta({ format: 'date-time' }).nullable();

/** A condition as `metav1.Condition` has it, with a nullable transition time. */
export const Condition = z.object({
  type: z.string().min(1),
  status: z.enum(['True', 'False', 'Unknown']),
  reason: z.string().default(''),
  message: z.string().default(''),
  lastTransitionTime: NullableTime.optional(),
  observedGeneration: z.int().min(0).optional(),
});
export type Condition = z.infer<typeof Condition>;

/** The part of `metadata` that this project reads. */
export interface ObjectMeta {
  name: string;
  namespace?: string;
  uid: string;
  resourceVersion: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: OwnerReference[];
}

/** Ties an object's life to that of its owner (here: always a Node). */
export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
}

/** An API object with a typed spec and status. */
export interface ApiObject<Spec, Status> {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  spec: Spec;
  status?: Status;
}
