import { z } from 'zod';
import { type ApiObject, Condition, NullableTime } from '../meta.ts';
import { DrainPolicy } from './osupgrade.ts';

/** The request that an object works for. */
export const SourceRef = z.object({
  name: z.string().min(1).max(253),
  kind: z.enum(['OSUpgrade', 'OS']).optional().describe('OSUpgrade if absent'),
  apiVersion: z.string().optional(),
  namespace: z.string().optional(),
  uid: z.string().optional(),
});
export type SourceRef = z.infer<typeof SourceRef>;

/** The image that a plan installs. Exactly one of `url` and `reference` is there. */
export const PlanImage = z.object({
  url: z.string().optional().describe('http(s) address of a file-system image'),
  reference: z
    .string()
    .optional()
    .describe('image in an OCI registry: [host/]repository[:tag][@sha256:<hex>], docker.io if no host'),
  checksum: z
    .string()
    .optional()
    .describe('sha256:<hex> of the file at url (required there), or of the index or manifest of reference'),
  size: z.int().min(1).optional().describe('bytes of the expanded image'),
  flagSafe: z.boolean().optional().describe('allows plain http'),
  caCert: z.string().optional(),
  clientCert: z.string().optional(),
  clientKey: z.string().optional(),
  mtls: z.boolean().optional(),
});
export type PlanImage = z.infer<typeof PlanImage>;

/** The controller's word on whether the node may be rebooted. It counts only for the attempt that it names. */
export const Gate = z.object({
  state: z.enum(['Closed', 'Draining', 'Open', 'Failed', 'Cancelled']),
  attempt: z.int().min(0),
  since: NullableTime.optional(),
  reason: z.string().default(''),
  message: z.string().default(''),
});
export type Gate = z.infer<typeof Gate>;

/** What one node has to do, whichever API asked for it. */
export const NodePlan = z.object({
  kind: z.enum(['upgrade', 'rollback', 'config']),
  rollout: z.int().min(0),
  targetVersion: z.string(),
  versionField: z.enum(['VERSION_ID', 'PRETTY_NAME']).default('VERSION_ID'),
  image: PlanImage.optional().describe('what to install; absent for a rollback'),
  limits: z
    .object({
      stallSeconds: z.int().min(1).default(600).describe('give up when no byte has come for so long'),
      trialSeconds: z
        .int()
        .min(1)
        .default(900)
        .describe('fall back when a trial boot is not confirmed by then'),
    })
    .prefault({}),
  gate: Gate.describe('whether the node may be rebooted: it is drained'),
  drain: DrainPolicy.optional().describe('how its drain began, for the case that the request is deleted'),
});
export type NodePlan = z.infer<typeof NodePlan>;

/** `spec` of an `OSUpgradeProgress`: one node's part in a rollout. */
export const OSUpgradeProgressSpec = z.object({
  sourceRef: SourceRef.describe('the request that this object works for'),
  nodeName: z
    .string()
    .min(1)
    .max(253)
    .describe('node that is upgraded')
    .meta({
      'x-kubernetes-validations': [
        { rule: 'self == oldSelf', message: 'nodeName is immutable: create another object for another node' },
      ],
    }),
  retryNonce: z.string().max(253).optional().describe('any changed value asks for another attempt'),
  plan: NodePlan.optional().describe('what the node has to do; the controller writes it'),
});
export type OSUpgradeProgressSpec = z.infer<typeof OSUpgradeProgressSpec>;

/** Phases in the order of a successful upgrade, then the two bad ends. */
export const PHASES = [
  'Pending',
  'Downloading',
  'Installing',
  'Staged',
  'Draining',
  'Rebooting',
  'Confirming',
  'Completed',
  'Failed',
  'RolledBack',
] as const;
/** How far an attempt is. */
export const Phase = z.enum(PHASES);
export type Phase = z.infer<typeof Phase>;

/** The slot names that the API uses. */
export const SlotName = z.enum(['A', 'B']);
export type SlotName = z.infer<typeof SlotName>;

/** When an attempt was in a phase. */
export const PhaseRecord = z.object({ phase: Phase, startedAt: NullableTime, endedAt: NullableTime });
export type PhaseRecord = z.infer<typeof PhaseRecord>;

/** `status` of an `OSUpgradeProgress`, written by the node's agent alone. */
export const OSUpgradeProgressStatus = z.object({
  currentVersion: z.string().optional().describe('version that the node runs'),
  targetVersion: z.string().optional().describe('version that the node shall run'),
  phase: Phase.optional(),
  startedAt: NullableTime.optional(),
  completedAt: NullableTime.optional(),
  lastUpdatedAt: NullableTime.optional(),
  retryCount: z.int().min(0).optional().describe('transient failures that were retried in this attempt'),
  inactivePartition: z.enum(['A', 'B', '']).optional().describe('slot that the image goes to'),
  failureReason: z.string().optional().describe('why it failed, as a word that stays the same'),
  message: z.string().optional().describe('what it does or waits for, or what to do'),
  attempt: z.int().min(0).optional().describe('1 for the first attempt, one more for each retry'),
  progress: z
    .object({ bytesDone: z.int().min(0), bytesTotal: z.int().min(0) })
    .optional()
    .describe('bytes of the running phase; bytesTotal is 0 while it is not known'),
  bootId: z.string().optional().describe('boot that armed the trial'),
  observedRetryNonce: z.string().optional(),
  history: z.array(PhaseRecord).max(64).optional(),
  conditions: z
    .array(Condition)
    .optional()
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] }),
});
export type OSUpgradeProgressStatus = z.infer<typeof OSUpgradeProgressStatus>;

/** One node's part in a rollout (`kubectl get osupgradeprogresses`). */
export type OSUpgradeProgress = ApiObject<OSUpgradeProgressSpec, OSUpgradeProgressStatus>;
