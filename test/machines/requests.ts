import type { OSUpgradeProgress, OSUpgradeProgressStatus } from '../../src/api/monok8s/index.ts';
import type { NodeApi } from '../env/node/node-api.ts';
import { eventually } from '../env/wait.ts';
import type { World } from './world.ts';

const PROGRESSES = '/apis/monok8s.io/v1alpha1/osupgradeprogresses';
// The computer may be busy with other machines: a download took five minutes beside two of them.
const END_MS = 1_200_000;

/** What a person applies for one node. */
export interface RequestOptions {
  readonly nodeName: string;
  /** As in `/etc/os-release` of the wanted system. */
  readonly version: string;
  /** A file that the world's image server has, and its checksum. */
  readonly file?: { readonly path: string; readonly checksum: string };
  /** Of an `OS`: what is not to be as in an upgrade from a disk image. */
  readonly spec?: Readonly<Record<string, unknown>>;
}

/** A request that was applied, of either API. */
export interface AppliedRequest {
  readonly name: string;
  /** The node's progress object of this request, once there is one. */
  progress(): Promise<OSUpgradeProgress | undefined>;
  /** Waits for phases, and resolves to the status; an end that is not among them is an error that tells it. */
  until(phases: readonly string[], timeoutMs?: number): Promise<OSUpgradeProgressStatus>;
  /** Deletes the request; what it began ends by itself. */
  remove(): Promise<void>;
}

const ENDS = ['Completed', 'Failed', 'RolledBack'];
let count = 0;

/** Applies an `OSUpgrade` for one node. */
export function applyOSUpgrade(world: World, options: RequestOptions): Promise<AppliedRequest> {
  const { version, file, nodeName } = options;
  const image = file && { version, url: world.url(file.path), checksum: file.checksum, flagSafe: true };
  const catalog = { inline: JSON.stringify({ images: image ? [image] : [] }) };
  return apply(world, nodeName, {
    apiVersion: 'monok8s.io/v1alpha1',
    kind: 'OSUpgrade',
    metadata: {},
    spec: { version, nodeSelector: { 'kubernetes.io/hostname': nodeName }, catalog, ...options.spec },
  });
}

/** Applies an `OS` for one node, which has to have the label `upgrade.openeuler.org/node-selector=<its name>`. */
export function applyOS(world: World, options: RequestOptions): Promise<AppliedRequest> {
  const { version, file, nodeName } = options;
  return apply(world, nodeName, {
    apiVersion: 'upgrade.openeuler.org/v1alpha1',
    kind: 'OS',
    metadata: { namespace: 'default' },
    spec: {
      ...{
        imagetype: 'disk',
        opstype: 'upgrade',
        osversion: `KubeOS ${version.replace(/^v/, '')}`,
        maxunavailable: 1,
      },
      ...{
        nodeselector: nodeName,
        checksum: '',
        imageurl: '',
        containerimage: '',
        flagSafe: true,
        mtls: false,
      },
      ...(file && { imageurl: world.url(file.path), checksum: file.checksum.replace('sha256:', '') }),
      ...{ cacert: '', clientcert: '', clientkey: '', evictpodforce: true },
      ...options.spec,
    },
  });
}

interface Applied {
  readonly apiVersion: string;
  readonly kind: string;
  readonly spec: object;
  readonly metadata: { readonly name?: string; readonly namespace?: string };
}

async function apply(world: World, nodeName: string, object: Applied): Promise<AppliedRequest> {
  count += 1;
  const name = `request-${count}`;
  const { kind, metadata } = object;
  await world.cluster.kubectl(['apply', '-f', '-'], {
    stdin: JSON.stringify({ ...object, metadata: { ...metadata, name } }),
  });
  const progress = () => findProgress(world.api, { kind, name, nodeName });
  return {
    name,
    progress,
    until: async (phases, timeoutMs = END_MS) => {
      const { phase, status } = await eventually(
        async () => {
          const status = (await progress())?.status;
          const phase = status?.phase ?? '';
          return status && [...phases, ...ENDS].includes(phase) && { phase, status };
        },
        { timeoutMs, everyMs: 300, what: `${name} on ${nodeName} is ${phases.join(' or ')}` },
      );
      if (phases.includes(phase)) return status;
      throw new Error(`${name} on ${nodeName} ended ${phase} (${status.failureReason}): ${status.message}`);
    },
    remove: async () => {
      const where = metadata.namespace ? ['-n', metadata.namespace] : [];
      await world.cluster.kubectl(['delete', kind.toLowerCase(), name, ...where, '--wait=true']);
    },
  };
}

async function findProgress(
  api: NodeApi,
  { kind, name, nodeName }: { readonly kind: string; readonly name: string; readonly nodeName: string },
): Promise<OSUpgradeProgress | undefined> {
  const list = await api.call<{ items: OSUpgradeProgress[] }>(
    'GET',
    `${PROGRESSES}?fieldSelector=spec.nodeName%3D${nodeName}`,
  );
  return list.items.find(
    ({ spec: { sourceRef } }) => sourceRef.name === name && (sourceRef.kind ?? 'OSUpgrade') === kind,
  );
}
