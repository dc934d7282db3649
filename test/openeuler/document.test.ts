import { join } from 'node:path';
import { expect } from 'chai';
import { NODE_SELECTOR_LABEL } from '../../src/api/openeuler/index.ts';
import type { ImageServer } from '../env/image-server.ts';
import { needsRoot } from '../env/needs-root.ts';
import { type Registry, startRegistry } from '../env/registry.ts';
import { nameOf, partitionImage } from './images.ts';
import { FIRST, useMachines } from './machines.ts';
import { pushOsTar, REPOSITORY, trustRegistries } from './registries.ts';
import { diskSample, dockerSample, rollbackSample, upstreamSample } from './samples.ts';
import { CERTIFICATES, installCertificates, makeCertificates, startHttpsServer } from './servers.ts';

const NODES = 5;

describe('the document of KubeOS, step by step', function () {
  this.timeout(180_000);
  const machines = useMachines({ workers: NODES - 1 });
  let server: ImageServer;
  let registry: Registry;

  before(async () => {
    const certificates = join(machines().cluster.dir, 'certs');
    await makeCertificates(certificates);
    await installCertificates(machines().workers, certificates);
    server = await startHttpsServer(certificates, { mtls: true });
    registry = await startRegistry({ tls: true, auth: 'password' });
    await trustRegistries(machines().workers, registry);
  });
  after(async () => {
    await server?.close();
    await registry?.stop();
  });

  it('every node runs the system that it was installed with', async () => {
    expect(Object.values(await machines().view.systems())).to.deep.equal(Array(NODES).fill(nameOf(FIRST)));
  });

  it('upgrades with a disk image', async () => {
    const image = await partitionImage('1.1.0');
    server.serve('/update.img', image.path);
    const url = `${server.url}/update.img`;
    const checksum = image.rawChecksum.slice('sha256:'.length);
    // More than there are: the document says that all nodes are meant.
    await machines().apply(
      diskSample({ version: '1.1.0', nodes: 9, url, checksum, mtls: true, ...CERTIFICATES }),
    );
    await machines().untilAllRun('1.1.0');
    const { status } = await machines().view.untilComplete('os-sample');
    expect(status?.nodes).to.include({ total: NODES - 1, updated: NODES - 1 });
  });

  it('rolls back to the previous version', async () => {
    const requests = server.requests.length;
    await machines().apply(rollbackSample(FIRST));
    await machines().untilAllRun(FIRST);
    await machines().view.untilComplete('os-sample');
    expect(server.requests, 'nothing was downloaded').to.have.length(requests);
  });

  it('upgrades with a Docker image', async function () {
    needsRoot(this, 'mounting a slot');
    await pushOsTar(registry, '1.2.0', machines().cluster.dir);
    const image = `${registry.host}/${REPOSITORY}:1.2.0`;
    await machines().apply(dockerSample({ version: '1.2.0', nodes: 9, image }));
    await machines().untilAllRun('1.2.0');
    await machines().view.untilComplete('os-sample');
  });

  it('rolls back to any version by its image', async function () {
    needsRoot(this, 'mounting a slot');
    const image = `${registry.host}/${REPOSITORY}:1.1.5`;
    await pushOsTar(registry, '1.1.5', machines().cluster.dir);
    await machines().apply(dockerSample({ version: '1.1.5', nodes: 9, image }));
    await machines().untilAllRun('1.1.5');
    await machines().view.untilComplete('os-sample');
  });

  it('takes the sample that upstream has today', async function () {
    needsRoot(this, 'mounting a slot');
    const nodes = machines().workers.map(({ name }) => name);
    await machines().cluster.kubectl(['label', 'node', ...nodes, `${NODE_SELECTOR_LABEL}=edge`]);
    const { digest } = await pushOsTar(registry, '1.3.0', machines().cluster.dir);
    const image = `${registry.host}/${REPOSITORY}:1.3.0`;
    const filled = { version: '1.3.0', nodes: 9, image, digest: digest.slice('sha256:'.length) };
    await machines().apply(upstreamSample({ ...filled, nodeselector: 'edge' }));
    await machines().untilAllRun('1.3.0');
    const { spec } = await machines().view.untilComplete('os-sample');
    // Applied over the older sample, whose field it does not have.
    expect(spec).to.not.have.property('dockerimage');
  });

  it('leaves the control-plane node alone', async () => {
    expect(machines().controlPlane?.bootCount).to.equal(1);
  });
});
