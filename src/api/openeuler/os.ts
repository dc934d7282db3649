import { z } from 'zod';
import type { ApiObject } from '../meta.ts';
import { RequestStatus } from '../request-status.ts';
import { Configs } from './configs.ts';

const CertificateFile = z.string().max(253).optional();

/** When a rollout may start to disrupt, in the controller's time zone. Both empty: always. */
export const OSTimeWindow = z.object({
  starttime: z.string().max(32).describe('HH:MM:SS (daily, may cross midnight) or YYYY-MM-DD HH:MM:SS'),
  endtime: z.string().max(32).describe('in the form of starttime'),
});
export type OSTimeWindow = z.infer<typeof OSTimeWindow>;

/**
 * `spec` of an `OS`: every field of upstream KubeOS, of the releases with `dockerimage` and of those with
 * `containerimage`. Only what both always had is required, so that YAML of either applies unchanged.
 * @source github.com/openeuler-mirror/KubeOS, config/crd, at v1.0.1 to v1.0.8
 */
export const OSSpec = z.object({
  osversion: z
    .string()
    .min(1)
    .max(256)
    .describe('PRETTY_NAME of the wanted system, for example KubeOS 1.0.0'),
  opstype: z
    .enum(['upgrade', 'config', 'rollback'])
    .describe('upgrade installs an image; rollback boots the other partition'),
  maxunavailable: z.int().describe('how many nodes may be out of service at once; at least 1'),
  imagetype: z
    .enum(['', 'docker', 'disk', 'containerd'])
    .optional()
    .describe('disk: imageurl; docker and containerd: an image in a registry; for upgrades only'),
  imageurl: z.string().max(2048).optional().describe('http(s) address of the image, for imagetype disk'),
  checksum: z
    .string()
    .max(256)
    .optional()
    .describe('SHA-256 of the file at imageurl, or of the manifest of a container image'),
  flagSafe: z.boolean().optional().describe('allows plain http for imageurl'),
  mtls: z.boolean().optional().describe('shows the server a client certificate (https)'),
  cacert: CertificateFile.describe('file in the certificate folder of the node: trusted alone'),
  clientcert: CertificateFile.describe('file in the certificate folder of the node'),
  clientkey: CertificateFile.describe('file in the certificate folder of the node'),
  dockerimage: z.string().max(1024).optional().describe('older name of containerimage'),
  containerimage: z.string().max(1024).optional().describe('repository/name:tag or repository/name@sha256:…'),
  evictpodforce: z
    .boolean()
    .optional()
    .describe(
      'false: a pod without a controller, or with data in an emptyDir, holds the drain up; else evicted',
    ),
  nodeselector: z
    .string()
    .max(63)
    .default('no-label')
    .describe('no-label, all-label, or a value of the label upgrade.openeuler.org/node-selector'),
  timewindow: OSTimeWindow.optional().describe('when upgrades and drains may start; always, if absent'),
  timeinterval: z.int().default(15).describe('least seconds between the starts of two batches'),
  executionmode: z
    .enum(['serial', 'parallel'])
    .default('parallel')
    .describe('serial: one node after the other'),
  sysconfigs: Configs.optional().describe('not supported yet'),
  upgradeconfigs: Configs.optional().describe('not supported yet'),
});
export type OSSpec = z.infer<typeof OSSpec>;

/** What stands for the spec of an object that an older schema let through and ours does not. */
const NO_SPEC: OSSpec = {
  osversion: '',
  opstype: 'upgrade',
  maxunavailable: 0,
  nodeselector: 'no-label',
  timeinterval: 15,
  executionmode: 'parallel',
};

/** A stored spec. `problem` says what is wrong with one that was stored under an older schema. */
export const StoredOSSpec = z.unknown().transform((raw): OSSpec & { readonly problem?: string } => {
  const parsed = OSSpec.safeParse(raw);
  return parsed.success ? parsed.data : { ...NO_SPEC, problem: z.prettifyError(parsed.error) };
});

/** `status` of an `OS`, which upstream does not have. The controller alone writes it. */
export const OSStatus = RequestStatus;
export type OSStatus = z.infer<typeof OSStatus>;

/** The request a KubeOS user writes (`kubectl get os`). */
export type OS = ApiObject<z.infer<typeof StoredOSSpec>, OSStatus>;
