import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import type { Timing } from '../../../../src/agent/transport/patience.ts';
import {
  type OpenImage,
  openRegistryImage,
  type PullRequest,
} from '../../../../src/agent/transport/registry/registry-image.ts';
import { systemClock } from '../../../../src/domain/clock.ts';
import { messageOf, reasonOf } from '../../../../src/domain/errors.ts';
import { makeTempDir } from '../../../env/cluster-temp-dir.ts';
import type { Registry } from '../../../env/registry.ts';
import { REGISTRY_PASSWORD, REGISTRY_USER } from '../../../env/registry-user.ts';
import { recordingLog } from '../../host/recording-log.ts';

/** What a test may change about a pull. */
export type PullOptions = Partial<Omit<PullRequest, 'reference'>> & { readonly architecture?: string };

/** A node that pulls, with a file system of its own. */
export interface Puller {
  /** Where its files lie. */
  readonly root: string;
  /** Lines of its log. */
  readonly lines: readonly string[];
  /** What was retried. */
  readonly retries: readonly string[];
  /** Puts a file onto the node. */
  write(path: string, text: string): void;
  /** Knows the password of a registry, under its own name or another. */
  login(registry: Registry, host?: string): void;
  /** Trusts the authority of a registry for a host. */
  trust(registry: Registry, host?: string): void;
  open(reference: string, options?: PullOptions): Promise<OpenImage>;
  /** The bytes of all layers, the lowest first. */
  pull(reference: string, options?: PullOptions): Promise<Buffer[]>;
  /** How a pull ends: `pulled`, or reason and message. */
  ending(reference: string, options?: PullOptions): Promise<string>;
  remove(): void;
}

const DIR = makeTempDir('pullers');
let made = 0;
const SECRETS = [REGISTRY_PASSWORD, Buffer.from(`${REGISTRY_USER}:${REGISTRY_PASSWORD}`).toString('base64')];

/** Makes one. Nothing that it logs or fails with may hold a password. */
export function createPuller(): Puller {
  const root = join(DIR, `node-${made++}`);
  const { log, lines } = recordingLog();
  const retries: string[] = [];
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  const open: Puller['open'] = (reference, { architecture, ...options } = {}) =>
    openRegistryImage(
      {
        hostRoot: root,
        authFiles: ['secret.json', 'root/.docker/config.json'].map(path => join(root, path)),
        configDirs: ['etc/containerd/certs.d', 'etc/docker/certs.d'].map(path => join(root, path)),
        log,
        timing: skippingTime(),
        ...(architecture !== undefined && { architecture }),
      },
      {
        reference,
        stallMs: 60_000,
        signal: new AbortController().signal,
        onRetry: (reason, message) => void retries.push(`${reason}: ${message}`),
        ...options,
      },
    );
  const pull: Puller['pull'] = async (reference, options) => {
    const image = await open(reference, options);
    try {
      const layers: Buffer[] = [];
      for (const layer of image.layers) layers.push(await readAll(layer.open()));
      return layers;
    } finally {
      await image.close();
    }
  };
  return {
    root,
    lines,
    retries,
    write,
    login: (registry, host = registry.host) =>
      write('root/.docker/config.json', registry.dockerConfig.replaceAll(registry.host, host)),
    trust: (registry, host = registry.host) =>
      write(`etc/docker/certs.d/${host}/ca.crt`, registry.authority?.certificatePem ?? ''),
    open,
    pull,
    ending: async (reference, options) => {
      const end = await pull(reference, options).then(
        () => 'pulled',
        (error: unknown) => `${reasonOf(error)}: ${messageOf(error)}`,
      );
      for (const secret of SECRETS) expect([end, ...lines, ...retries].join('\n')).not.to.contain(secret);
      return end;
    },
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}

/** Time in which no wait takes long, so that patience ends soon while connections have all of theirs. */
function skippingTime(): Timing {
  let skippedMs = 0;
  return {
    clock: { nowMs: () => systemClock.nowMs(), monotonicMs: () => systemClock.monotonicMs() + skippedMs },
    random: () => 0,
    delay: async (ms, signal) => {
      skippedMs += ms;
      await turn();
      signal.throwIfAborted();
    },
  };
}

/** All bytes of a layer. */
export async function readAll(bytes: AsyncIterator<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for (let next = await bytes.next(); !next.done; next = await bytes.next()) chunks.push(next.value);
  return Buffer.concat(chunks);
}
