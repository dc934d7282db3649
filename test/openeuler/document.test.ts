import { expect } from 'chai';
import { createAuthority } from '../env/control-plane-certificates.ts';
import type { ImageServer } from '../env/image-server.ts';
import { FIRST, useFarm } from './farm.ts';
import { nameOf, partitionImage } from './images.ts';
import { diskSample, rollbackSample } from './samples.ts';
import { CERTIFICATES, installCertificates, startHttpsServer } from './servers.ts';

const NODES = 5;

describe('the document of KubeOS, step by step', function () {
  this.timeout(180_000);
  const farm = useFarm({ workers: NODES - 1 });
  let server: ImageServer;

  before(async () => {
    const authority = createAuthority();
    server = await startHttpsServer(authority, { mtls: true });
    await installCertificates(farm().workers, authority);
  });
  after(() => server?.close());

  it('every node runs the system that it was installed with', async () => {
    expect(Object.values(await farm().systems())).to.deep.equal(Array(NODES).fill(nameOf(FIRST)));
  });

  it('upgrades with a disk image', async () => {
    const image = await partitionImage('1.1.0');
    server.serve('/update.img', image.path);
    const url = `${server.url}/update.img`;
    const checksum = image.rawChecksum.slice('sha256:'.length);
    // More than there are: the document says that all nodes are meant.
    await farm().apply(
      diskSample({ version: '1.1.0', nodes: 9, url, checksum, mtls: true, ...CERTIFICATES }),
    );
    await farm().untilAllRun('1.1.0');
    const { status } = await farm().untilComplete('os-sample');
    expect(status?.nodes).to.include({ total: NODES - 1, updated: NODES - 1 });
  });

  it('rolls back to the previous version', async () => {
    const requests = server.requests.length;
    await farm().apply(rollbackSample(FIRST));
    await farm().untilAllRun(FIRST);
    await farm().untilComplete('os-sample');
    expect(server.requests, 'nothing was downloaded').to.have.length(requests);
  });

  it('leaves the control-plane node alone', async () => {
    expect(farm().controlPlane?.bootCount).to.equal(1);
  });
});
