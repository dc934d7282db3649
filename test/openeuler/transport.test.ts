import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { NODE_SELECTOR_LABEL, type OSSpec } from '../../src/api/openeuler/index.ts';
import type { ImageServer } from '../env/image-server.ts';
import { needsRoot } from '../env/needs-root.ts';
import { type Registry, startRegistry } from '../env/registry.ts';
import { nameOf, type Packing, pack, partitionImage, rootTar } from './images.ts';
import { type Machines, useMachines } from './machines.ts';
import { pushOsTar, pushRootFiles, REPOSITORY, trustRegistries } from './registries.ts';
import { osObject } from './requests.ts';
import { CERTIFICATES, installCertificates, makeCertificates, startHttpsServer } from './servers.ts';

const WORKERS = 5;

/** One way of an image to a node: what an `OS` says of it. */
interface Way {
  readonly title: string;
  /** Files are unpacked onto the slot, so that it is mounted. */
  readonly mounts: boolean;
  /** Puts the release onto its server and tells the fields of the spec. */
  readonly offer: (world: World, version: string) => Promise<Partial<OSSpec>>;
}

interface World {
  readonly machines: Machines;
  readonly https: ImageServer;
  readonly mtls: ImageServer;
  readonly registry: Registry;
  readonly tokens: Registry;
  readonly dir: string;
}

type Server = 'http' | 'https' | 'mtls';

/** What an administrator writes for each kind of server. */
const FIELDS: Readonly<Record<Server, Partial<OSSpec>>> = {
  http: { flagSafe: true, mtls: false },
  https: { mtls: false, cacert: CERTIFICATES.cacert },
  mtls: { mtls: true, ...CERTIFICATES },
};

const disk = (server: Server, payload: 'partition' | 'tar', packing: Packing): Way => ({
  title: `disk: a ${payload}, ${packing}, over ${server}`,
  mounts: payload === 'tar',
  offer: async ({ machines, https, mtls, dir }, version) => {
    const image = await (payload === 'tar' ? rootTar(version) : partitionImage(version));
    const { path, checksum } = await pack(image.path, packing, dir);
    const { serve, url } = { http: machines.server, https, mtls }[server];
    serve(`/${version}/${payload}-${packing}`, path);
    return {
      imagetype: 'disk',
      imageurl: `${url}/${version}/${payload}-${packing}`,
      checksum,
      ...FIELDS[server],
    };
  },
});

/** Rounds of as many ways as there are workers: in each, every worker goes another way to the same release. */
const ROUNDS: readonly (readonly Way[])[] = [
  [
    disk('http', 'partition', 'plain'),
    disk('https', 'partition', 'zst'),
    disk('mtls', 'partition', 'gz'),
    disk('http', 'partition', 'xz'),
    disk('https', 'tar', 'plain'),
  ],
  [
    disk('mtls', 'tar', 'zst'),
    disk('http', 'tar', 'gz'),
    disk('mtls', 'tar', 'xz'),
    {
      title: 'docker: os.tar by tag, with TLS and a password',
      mounts: true,
      offer: async ({ registry, dir }, version) => {
        await pushOsTar(registry, version, dir);
        return { imagetype: 'docker', dockerimage: `${registry.host}/${REPOSITORY}:${version}` };
      },
    },
    {
      title: 'containerd: os.tar by digest',
      mounts: true,
      offer: async ({ registry, dir }, version) => {
        const { digest } = await pushOsTar(registry, version, dir);
        return { imagetype: 'containerd', containerimage: `${registry.host}/${REPOSITORY}@${digest}` };
      },
    },
  ],
  [
    {
      title: 'containerd: root file system by tag, with its checksum',
      mounts: true,
      offer: async ({ registry }, version) => {
        const { digest } = await pushRootFiles(registry, version, { tag: `${version}-files` });
        const containerimage = `${registry.host}/${REPOSITORY}:${version}-files`;
        return { imagetype: 'containerd', containerimage, checksum: digest.slice('sha256:'.length) };
      },
    },
    {
      title: 'docker: root file system by digest, packed by zstd',
      mounts: true,
      offer: async ({ registry }, version) => {
        const { digest } = await pushRootFiles(registry, version, {
          tag: `${version}-zstd`,
          compression: 'zstd',
        });
        return { imagetype: 'docker', containerimage: `${registry.host}/${REPOSITORY}@${digest}` };
      },
    },
    {
      title: 'docker: an index of images for several machines',
      mounts: true,
      offer: async ({ registry }, version) => {
        await pushRootFiles(registry, version, { tag: `${version}-index`, otherMachine: 's390x' });
        return { imagetype: 'docker', dockerimage: `${registry.host}/${REPOSITORY}:${version}-index` };
      },
    },
    {
      title: 'docker: os.tar from a registry with tokens, without TLS',
      mounts: true,
      offer: async ({ tokens, dir }, version) => {
        await pushOsTar(tokens, version, dir);
        return { imagetype: 'docker', dockerimage: `${tokens.host}/${REPOSITORY}:${version}` };
      },
    },
  ],
];

const canMount = (): boolean => process.getuid?.() === 0;

describe('every way of an image to a node', function () {
  this.timeout(120_000);
  const machines = useMachines({
    workers: WORKERS,
    controlPlane: false,
    worker: number => ({ labels: { [NODE_SELECTOR_LABEL]: `way-${number}` } }),
  });
  let world: World;

  before(async () => {
    const dir = join(machines().cluster.dir, 'images');
    const certificates = join(machines().cluster.dir, 'certs');
    await mkdir(dir);
    await makeCertificates(certificates);
    await installCertificates(machines().workers, certificates);
    world = {
      machines: machines(),
      dir,
      https: await startHttpsServer(certificates),
      mtls: await startHttpsServer(certificates, { mtls: true }),
      registry: await startRegistry({ tls: true, auth: 'password' }),
      tokens: await startRegistry({ auth: 'token' }),
    };
    await trustRegistries(machines().workers, world.registry, world.tokens);
  });
  after(async () => {
    await Promise.all([
      world?.https.close(),
      world?.mtls.close(),
      world?.registry.stop(),
      world?.tokens.stop(),
    ]);
  });

  const apply = async (way: Way, number: number, version: string): Promise<void> => {
    const spec = {
      opstype: 'upgrade',
      osversion: nameOf(version),
      maxunavailable: 1,
      nodeselector: `way-${number}`,
      ...(await way.offer(world, version)),
    };
    await machines().apply(osObject(spec, `way-${number}`));
  };

  for (const [index, ways] of ROUNDS.entries()) {
    const version = `1.${index + 1}.0`;
    describe(`to ${nameOf(version)}`, () => {
      before(async function () {
        this.timeout(60_000);
        for (const [at, way] of ways.entries()) {
          if (!way.mounts || canMount()) await apply(way, at + 1, version);
        }
      });
      for (const [at, { title, mounts }] of ways.entries())
        it(title, async function () {
          if (mounts) needsRoot(this, 'mounting a slot');
          await machines().view.untilComplete(`way-${at + 1}`);
          const node = machines().worker(at + 1);
          expect(node.system?.osImage).to.equal(nameOf(version));
          await node.assertBootsVersion(version);
        });
    });
  }
});
