import { z } from 'zod';
import { Condition, NullableTime } from './meta.ts';

const Count = z.int().min(0);

/** How many selected nodes are where. The six parts add up to `total`. */
export const NodeCounts = z.object({
  total: Count,
  updated: Count,
  running: Count,
  waiting: Count,
  failed: Count,
  skipped: Count,
  drifted: Count,
});
export type NodeCounts = z.infer<typeof NodeCounts>;

/** A selected node that this rollout does not touch, and why. */
export const SkippedNode = z.object({ name: z.string(), reason: z.string(), message: z.string() });
export type SkippedNode = z.infer<typeof SkippedNode>;

/** A newer request that took nodes of this rollout over, and which nodes it selected then. */
export const Successor = z.object({
  kind: z.enum(['OSUpgrade', 'OS']),
  namespace: z.string().optional(),
  name: z.string(),
  nodeSelector: z.record(z.string(), z.string()).optional().describe('of an OSUpgrade'),
  nodeselector: z.string().optional().describe('of an OS'),
});
export type Successor = z.infer<typeof Successor>;

/** What the status of every request says, whichever API it belongs to. The controller alone writes it. */
export const RequestStatus = z.object({
  phase: z.enum(['Pending', 'Accepted', 'Rejected']).optional(),
  reason: z.string().optional(),
  message: z.string().optional(),
  observedGeneration: z.int().min(0).optional(),
  rollout: z.int().min(0).optional().describe('advances when a field that changes plans changes'),
  rolloutKey: z.string().optional().describe('digest of the fields that change plans'),
  rolloutStartedAt: NullableTime.optional(),
  nodes: NodeCounts.optional(),
  skippedNodes: z.array(SkippedNode).max(100).optional(),
  supersededBy: z
    .array(Successor)
    .max(50)
    .optional()
    .describe('newer requests that took nodes over, which stay lost for this rollout'),
  conditions: z
    .array(Condition)
    .optional()
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] }),
});
export type RequestStatus = z.infer<typeof RequestStatus>;
