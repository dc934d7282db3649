import { z } from 'zod';
import { type ApiObject, Condition } from '../meta.ts';
import { Configs } from './configs.ts';

/** `spec` of an `OSInstance`, written by the controller. Every field is upstream's. */
export const OSInstanceSpec = z.object({
  nodestatus: z.string().optional(),
  namespacedname: z.object({ name: z.string(), namespace: z.string() }).optional(),
  sysconfigs: Configs.optional(),
  upgradeconfigs: Configs.optional(),
});
export type OSInstanceSpec = z.infer<typeof OSInstanceSpec>;

/** One of the two slots as the agent found it. */
export const SlotReport = z.object({
  name: z.enum(['A', 'B']),
  booted: z.boolean().describe('the node runs from this slot'),
  default: z.boolean().describe('the boot loader starts this slot unless told otherwise once'),
  version: z.string().describe('VERSION_ID of the slot; empty if the slot holds no readable system'),
  prettyName: z.string().describe('PRETTY_NAME of the slot; empty if the slot holds no readable system'),
});
export type SlotReport = z.infer<typeof SlotReport>;

/** `status` of an `OSInstance`: upstream's two fields, and what our agent found on its node. */
export const OSInstanceStatus = z.object({
  sysconfigs: Configs.optional(),
  upgradeconfigs: Configs.optional(),
  slots: z.array(SlotReport).max(2).optional(),
  bootLoader: z.string().optional(),
  bootId: z.string().optional(),
  agentVersion: z.string().optional(),
  conditions: z
    .array(Condition)
    .optional()
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] }),
});
export type OSInstanceStatus = z.infer<typeof OSInstanceStatus>;

/** One per node, of the node's name, in namespace `default`. */
export type OSInstance = ApiObject<OSInstanceSpec, OSInstanceStatus>;
