import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { type Authority, createAuthority } from '../env/control-plane-certificates.ts';
import { type ImageServer, startImageServer } from '../env/image-server.ts';
import { buildImage } from '../env/images.ts';
import type { EmulatedNode } from '../env/node/emulated-node.ts';
import { fault } from './rows.ts';
import { type Expected, expectEnd, IMAGE_PATH, NEW, useWorld } from './world.ts';

const ZEROS = `sha256:${'0'.repeat(64)}`;
const RETRY = 'retryNonce';

describe('faults of an image and its server', function () {
  this.timeout(120_000);
  const world = useWorld();
  /** Serves all rows that end where they began: on the old version. */
  let node: EmulatedNode;
  let trusted: Authority;
  let secure: ImageServer;

  before(async () => {
    trusted = createAuthority();
    const { certificatePem: cert, keyPem: key } = trusted.issue({
      commonName: 'images',
      ipAddresses: ['127.0.0.1'],
    });
    secure = await startImageServer({ files: { [IMAGE_PATH]: world().image.zstPath }, tls: { cert, key } });
    node = await world().node();
    const certificates = join(node.files.root, 'etc/KubeOS/certs');
    await mkdir(certificates, { recursive: true });
    await writeFile(join(certificates, 'right.pem'), trusted.certificatePem);
    await writeFile(join(certificates, 'wrong.pem'), createAuthority().certificatePem);
  });
  after(() => secure?.close());
  afterEach(() => world().server.setFaults(IMAGE_PATH));

  type Entry = ReturnType<ReturnType<typeof world>['entry']>;
  const fails = async (change: Partial<Entry>, reason: string, says: Expected['says']) => {
    const status = await world().end(await world().plan(node.name, world().entry(change)));
    await expectEnd(status, node, { phase: 'Failed', reason, says });
    return status;
  };
  const completes = async (runner: EmulatedNode) => {
    const name = await world().plan(runner.name, world().entry());
    const status = await world().end(name);
    expect(status.phase, status.message).to.equal('Completed');
    await runner.assertBootsVersion(NEW);
    return status;
  };

  fault('checksum wrong', async () => {
    const status = await fails({ checksum: ZEROS }, 'ChecksumMismatch', [ZEROS.slice(7), RETRY]);
    expect(status.message).to.contain(world().image.checksum.slice(7));
    expect(await node.slotOsRelease('B'), 'the slot holds no system').to.deep.equal({});
  });

  fault('image larger than the slot', async () => {
    const large = await buildImage({ version: NEW, sizeMiB: 48 });
    world().server.serve('/large.zst', large.zstPath);
    const url = `${world().server.url}/large.zst`;
    await fails({ url, checksum: large.checksum, size: large.sizeBytes }, 'ImageTooLarge', [/slot/, RETRY]);
    const { size: _unknown, ...unannounced } = world().entry({ url, checksum: large.checksum });
    const status = await world().end(await world().plan(node.name, unannounced));
    await expectEnd(status, node, { phase: 'Failed', reason: 'ImageTooLarge', says: [/slot/] });
  });

  fault('expanded size different from size', async () => {
    const { sizeBytes } = world().image;
    await fails({ size: sizeBytes - 4096 }, 'SizeMismatch', [String(sizeBytes - 4096), 'zstd -lv']);
    await fails({ size: sizeBytes + 4096 }, 'SizeMismatch', [String(sizeBytes), String(sizeBytes + 4096)]);
  });

  fault('truncated download', async () => {
    world().server.setFaults(IMAGE_PATH, { kind: 'truncate', atBytes: 1_000_000 });
    const status = await fails({}, 'DownloadStalled', [RETRY]);
    expect(status.retryCount).to.be.greaterThan(0);
  });

  fault('connection dropped several times (resumed)', async () => {
    const runner = await world().node();
    const { server } = world();
    const before = server.bytesSent(IMAGE_PATH);
    server.setFaults(IMAGE_PATH, { kind: 'drop', everyBytes: 1_500_000, times: 2 });
    const status = await completes(runner);
    expect(status.retryCount).to.equal(2);
    const resumed = server.requests.filter(({ status: code }) => code === 206);
    expect(resumed.length).to.be.at.least(2);
    // Three times the whole file would mean that nothing was resumed.
    const { size } = await stat(world().image.zstPath);
    expect(server.bytesSent(IMAGE_PATH) - before).to.be.lessThan(size * 1.5);
  });

  fault('server that stalls', async () => {
    world().server.setFaults(IMAGE_PATH, { kind: 'stall', atBytes: 500_000 });
    await fails({}, 'DownloadStalled', [RETRY]);
  });

  fault('404', async () => {
    await fails({ url: `${world().server.url}/nowhere.zst` }, 'NotFound', ['/nowhere.zst', '404', RETRY]);
  });

  fault('503 then 200', async () => {
    const runner = await world().node();
    world().server.setFaults(IMAGE_PATH, { kind: 'status', code: 503, times: 2 });
    expect((await completes(runner)).retryCount).to.equal(2);
  });

  fault('http without flagSafe', async () => {
    await fails({ flagSafe: false }, 'InsecureAddress', ['flagSafe: true', 'request is corrected']);
    expect(JSON.stringify(await node.agent.log())).to.contain('insecure');
  });

  fault('https with the wrong CA', async () => {
    const url = `${secure.url}${IMAGE_PATH}`;
    await fails({ url, caCert: 'wrong.pem' }, 'CertificateInvalid', [RETRY]);
    await fails({ url }, 'CertificateInvalid', [RETRY]);
    expect(secure.bytesSent(IMAGE_PATH)).to.equal(0);
  });

  fault('redirect from https to http', async () => {
    secure.setFaults('/moved.zst', { kind: 'redirect', to: `${world().server.url}${IMAGE_PATH}` });
    const count = world().server.requests.length;
    const change = { url: `${secure.url}/moved.zst`, caCert: 'right.pem', flagSafe: true };
    await fails(change, 'InsecureAddress', ['https to http', RETRY]);
    expect(world().server.requests).to.have.length(count);
  });
});
