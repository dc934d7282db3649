import { z } from 'zod';
import type { ApiObject } from '../meta.ts';
import { RequestStatus } from '../request-status.ts';

/** An integer of at least 1, or a percentage such as `25%`. */
export const MaxUnavailable = z
  .union([z.int().min(1), z.string().regex(/^([1-9][0-9]?|100)%$/)])
  .meta({ 'x-kubernetes-int-or-string': true })
  .describe(
    'how many selected nodes may be out of service at once: a number, or a percentage (rounded down, at least 1)',
  );
export type MaxUnavailable = z.infer<typeof MaxUnavailable>;

const WindowTime = z
  .string()
  .regex(/^([0-9]{4}-[0-9]{2}-[0-9]{2} )?([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$/)
  .describe('HH:MM:SS (daily) or YYYY-MM-DD HH:MM:SS (once)');

/** When a rollout may start to disrupt: daily (`HH:MM:SS`, may cross midnight) or once (`YYYY-MM-DD HH:MM:SS`). */
export const TimeWindow = z
  .object({
    startTime: WindowTime,
    endTime: WindowTime,
    timeZone: z.string().min(1).max(64).optional().describe("IANA zone; the controller's zone if absent"),
  })
  .meta({
    'x-kubernetes-validations': [
      {
        rule: 'size(self.startTime) == size(self.endTime)',
        message: 'startTime and endTime must have the same form: both HH:MM:SS or both YYYY-MM-DD HH:MM:SS',
      },
      { rule: 'self.startTime != self.endTime', message: 'startTime and endTime must differ' },
    ],
  });
export type TimeWindow = z.infer<typeof TimeWindow>;

/** How a node is emptied before it reboots. */
export const DrainPolicy = z.object({
  timeoutSeconds: z
    .int()
    .min(1)
    .max(86_400)
    .default(1800)
    .describe('then the node is uncordoned and its upgrade fails'),
  force: z.boolean().default(true).describe('evict pods that no controller would recreate'),
  deleteEmptyDirData: z.boolean().default(true).describe('evict pods whose emptyDir data is lost by it'),
  skip: z.boolean().default(false).describe('reboot without evicting anything (the node is still cordoned)'),
});
export type DrainPolicy = z.infer<typeof DrainPolicy>;

/** Where the list of images comes from: exactly one of the three. */
export const CatalogSource = z
  .object({
    inline: z.string().min(1).max(1_048_576).optional().describe('the catalog itself, as YAML text'),
    url: z
      .string()
      .min(1)
      .max(2048)
      .regex(/^https?:\/\//)
      .optional()
      .describe('address of the catalog'),
    configMap: z
      .string()
      .min(1)
      .max(253)
      .optional()
      .describe("name of a ConfigMap in the controller's namespace (key catalog.yaml, or its only key)"),
  })
  .meta({
    'x-kubernetes-validations': [
      {
        rule: '[has(self.inline), has(self.url), has(self.configMap)].filter(x, x).size() == 1',
        message: 'give exactly one of catalog.inline, catalog.url and catalog.configMap',
      },
    ],
  });
export type CatalogSource = z.infer<typeof CatalogSource>;

/** `spec` of an `OSUpgrade`: which nodes shall run which version, and how carefully. */
export const OSUpgradeSpec = z.object({
  version: z
    .string()
    .min(1)
    .max(128)
    .regex(/^(stable|v?[0-9][0-9A-Za-z.+_-]*)$/)
    .describe('an explicit version such as v1.35.3, or stable'),
  nodeSelector: z
    .record(z.string(), z.string())
    .default({})
    .describe('labels of the nodes to upgrade; empty: every managed node'),
  catalog: CatalogSource.describe('where the list of images comes from: exactly one of the three'),
  maxUnavailable: MaxUnavailable.default(1),
  paused: z
    .boolean()
    .default(false)
    .describe('starts no new upgrade and no new drain; what drains goes through'),
  timeWindow: TimeWindow.optional().describe('when upgrades and drains may start; always, if absent'),
  drain: DrainPolicy.prefault({}).describe('how a node is emptied before it reboots'),
});
export type OSUpgradeSpec = z.infer<typeof OSUpgradeSpec>;

/** The catalog entry that a rollout was resolved to. It stays, whatever the catalog says later. */
export const PinnedImage = z.object({
  version: z.string(),
  url: z.string(),
  checksum: z.string().optional(),
  size: z.int().min(1).optional().describe('bytes of the expanded image'),
  flagSafe: z.boolean().optional(),
  caCert: z.string().optional(),
  clientCert: z.string().optional(),
  clientKey: z.string().optional(),
});
export type PinnedImage = z.infer<typeof PinnedImage>;

/** `status` of an `OSUpgrade`, written by the controller alone. */
export const OSUpgradeStatus = RequestStatus.extend({
  resolvedVersion: z.string().optional(),
  image: PinnedImage.optional(),
});
export type OSUpgradeStatus = z.infer<typeof OSUpgradeStatus>;

/** The request a user writes (`kubectl get osupgrades`). */
export type OSUpgrade = ApiObject<OSUpgradeSpec, OSUpgradeStatus>;
