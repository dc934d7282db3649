import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { type ImageServer, startImageServer } from '../../env/image-server.ts';
import { buildImage, checksumOf, type Image } from '../../env/images.ts';
import { runProgram } from '../../env/node/run-program.ts';
import { StagingHost } from './staging.ts';

const MIB = 1024 * 1024;
const execute = promisify(execFile);

describe('staging an image', function () {
  this.timeout(30_000);
  let [old, image]: Image[] = [];
  let server: ImageServer;
  let host: StagingHost;
  let plan: { url: string; checksum: string; size: number; flagSafe: boolean };

  before(async () => {
    old = await buildImage({ version: 'v1.34.1', sizeMiB: 16, fillMiB: 1 });
    image = await buildImage({ version: 'v1.35.1', sizeMiB: 24, fillMiB: 2 });
    server = await startImageServer();
  });
  after(() => server.close());
  beforeEach(async () => {
    if (old === undefined || image === undefined) throw new Error('no images');
    host = await StagingHost.make(old.path, 32 * MIB);
    server.setFaults('/image');
    server.serve('/image', image.zstPath);
    plan = { url: `${server.url}/image`, checksum: image.checksum, size: image.sizeBytes, flagSafe: true };
  });
  afterEach(() => host.remove());

  /** Serves other bytes, and returns the plan that belongs to them. */
  const serveBytes = async (bytes: Buffer) => {
    const path = join(host.root, 'other');
    await writeFile(path, bytes);
    server.serve('/image', path);
    return { url: plan.url, checksum: await checksumOf(path), flagSafe: true };
  };
  const expectDestroyed = async () => expect((await host.headOfB()).every(byte => byte === 0)).to.equal(true);
  const expectUntouched = async () =>
    expect((await host.slots.inspect()).B.osRelease?.versionId).to.equal('1.34.1');

  it('puts a zstd image onto the slot, sound and labelled', async () => {
    const staged = await host.stage(plan);
    expect(staged.checksum).to.equal(image?.checksum);
    expect(staged.expandedBytes).to.equal(24 * MIB);
    await runProgram('e2fsck', '-fn', host.slotB);
    expect(await runProgram('dumpe2fs', '-h', host.slotB)).to.match(/volume name:\s+ROOT-B/);
    const { B } = await host.slots.inspect();
    expect(B.superblockHash).to.equal(staged.superblockHash);
    expect(B.osRelease).to.deep.equal({ versionId: '1.35.1', prettyName: 'Demo OS 1.35.1' });
    const [written, wanted] = [await readFile(host.slotB), await readFile(image?.path ?? '')];
    expect(written.subarray(4096, 24 * MIB).equals(wanted.subarray(4096))).to.equal(true);
  });

  it('takes a plain image, and one without metadata checksums', async () => {
    const plain = await buildImage({ version: 'v1.35.2', sizeMiB: 16, fillMiB: 1, metadataChecksums: false });
    server.serve('/image', plain.path);
    await host.stage({
      url: plan.url,
      flagSafe: true,
      checksum: plain.rawChecksum.toUpperCase().replace('SHA256', 'sha256'),
    });
    await runProgram('e2fsck', '-fn', host.slotB);
    expect((await host.slots.inspect()).B.osRelease?.versionId).to.equal('1.35.2');
  });

  it('takes several zstd frames, a skippable one first', async () => {
    const raw = await readFile(image?.path ?? '');
    const parts = [raw.subarray(0, 5 * MIB), raw.subarray(5 * MIB)];
    const frames = [Buffer.from('502a4d1804000000deadbeef', 'hex')];
    for (const part of parts) {
      await writeFile(join(host.root, 'part'), part);
      await execute('zstd', ['-q', '-f', join(host.root, 'part')]);
      frames.push(await readFile(join(host.root, 'part.zst')));
    }
    await host.stage(await serveBytes(Buffer.concat(frames)));
    await runProgram('e2fsck', '-fn', host.slotB);
  });

  it('tells how far it is, to the last byte of both phases', async () => {
    await host.stage(plan);
    const phases = host.progress.map(({ phase }) => phase);
    expect(phases).to.deep.equal([...phases].sort());
    const last = host.progress.findLast(({ phase }) => phase === 'Downloading');
    const bytes = (await readFile(image?.zstPath ?? '')).length;
    expect(last).to.deep.equal({ phase: 'Downloading', bytesDone: bytes, bytesTotal: bytes });
    expect(host.progress.at(-1)).to.deep.equal({
      phase: 'Installing',
      bytesDone: 24 * MIB,
      bytesTotal: 24 * MIB,
    });
  });

  it('resumes after dropped connections where it was', async () => {
    host.skipWaiting();
    server.setFaults('/image', { kind: 'drop', everyBytes: 700_000, times: 3 });
    const sentBefore = server.bytesSent('/image');
    await host.stage(plan);
    expect(host.retries).to.deep.equal(['DownloadFailed', 'DownloadFailed', 'DownloadFailed']);
    const ranges = server.requests
      .slice(-3)
      .map(({ headers, status }) => [status, headers.range !== undefined]);
    expect(ranges).to.deep.equal([
      [206, true],
      [206, true],
      [206, true],
    ]);
    const size = (await readFile(image?.zstPath ?? '')).length;
    expect(server.bytesSent('/image') - sentBefore).to.be.at.most(size + 3 * 65_536);
  });

  it('resumes from a server that ignores ranges', async () => {
    host.skipWaiting();
    server.setFaults('/image', { kind: 'drop', everyBytes: 900_000, times: 1 }, { kind: 'ignoreRange' });
    await host.stage(plan);
    expect(host.retries).to.deep.equal(['DownloadFailed']);
    await runProgram('e2fsck', '-fn', host.slotB);
  });

  it('begins anew when the file changes meanwhile', async () => {
    host.skipWaiting();
    server.serve('/image', old?.zstPath ?? '');
    server.setFaults(
      '/image',
      { kind: 'drop', everyBytes: 500_000, times: 1 },
      { kind: 'change', afterRequests: 1, toFile: image?.zstPath ?? '' },
    );
    await host.stage(plan);
    expect(host.retries).to.deep.equal(['DownloadFailed', 'ImageChanged']);
    expect((await host.slots.inspect()).B.osRelease?.versionId).to.equal('1.35.1');
  });

  it('waits for a server that answers 503, then goes on', async () => {
    host.skipWaiting();
    server.setFaults('/image', { kind: 'status', code: 503, times: 4 });
    await host.stage(plan);
    expect(host.retries).to.have.length(4);
  });

  it('gives up when no new byte comes, and says what it last saw', async () => {
    host.skipWaiting();
    server.setFaults('/image', { kind: 'truncate', atBytes: 300_000 });
    const { reason, message } = await host.refusal(plan);
    expect(reason).to.equal('DownloadStalled');
    expect(message).to.contain('60 s').and.to.contain('closed early');
  });

  it('gives up on a server that is silent', async () => {
    host.stallMs = 1500;
    server.setFaults('/image', { kind: 'stall', atBytes: 200_000 });
    const { reason, message } = await host.refusal(plan);
    expect(reason).to.equal('DownloadStalled');
    expect(message).to.match(/stopped sending|stays silent/);
  });

  for (const { code, reason } of [
    { code: 404, reason: 'NotFound' },
    { code: 410, reason: 'NotFound' },
    { code: 401, reason: 'AccessDenied' },
    { code: 403, reason: 'AccessDenied' },
    { code: 418, reason: 'AddressUnsupported' },
  ]) {
    it(`fails at once on ${code}, with the slot untouched`, async () => {
      server.setFaults('/image', { kind: 'status', code });
      expect((await host.refusal(plan)).reason).to.equal(reason);
      expect(host.retries).to.deep.equal([]);
      await expectUntouched();
    });
  }

  it('refuses a wrong checksum, names both and leaves nothing to find', async () => {
    const wrong = `sha256:${'0'.repeat(64)}`;
    const { reason, message } = await host.refusal({ ...plan, checksum: wrong });
    expect(reason).to.equal('ChecksumMismatch');
    expect(message).to.contain(wrong).and.to.contain(image?.checksum).and.to.contain('sha256sum');
    await expectDestroyed();
  });

  it('calls a damaged file damaged, though zstd stumbles over it first', async () => {
    server.setFaults('/image', { kind: 'wrongByte', atBytes: 1_000_000 });
    expect((await host.refusal(plan)).reason).to.equal('ChecksumMismatch');
    await expectDestroyed();
  });

  it('refuses a checksum that is none', async () => {
    expect((await host.refusal({ ...plan, checksum: 'sha256:abc' })).reason).to.equal('ChecksumInvalid');
    await expectUntouched();
  });

  for (const { what, by } of [
    { what: 'larger than', by: 4096 },
    { what: 'smaller than', by: -4096 },
  ]) {
    it(`refuses an image whose size is ${what} the one given`, async () => {
      const { reason, message } = await host.refusal({ ...plan, size: plan.size - by });
      expect(reason).to.equal('SizeMismatch');
      expect(message)
        .to.contain(String(plan.size - by))
        .and.to.contain('zstd -lv');
      await expectDestroyed();
    });
  }

  it('refuses a size larger than the slot before it fetches anything', async () => {
    const before = server.requests.length;
    expect((await host.refusal({ ...plan, size: 33 * MIB })).reason).to.equal('ImageTooLarge');
    expect(server.requests.length).to.equal(before);
  });

  it('refuses a file system larger than the slot before it writes anything', async () => {
    await truncate(host.slotB, 20 * MIB);
    expect((await host.refusal({ url: plan.url, checksum: plan.checksum, flagSafe: true })).reason).to.equal(
      'ImageTooLarge',
    );
    await expectUntouched();
  });

  it('writes no byte past the slot when an image is longer than its file system', async () => {
    const raw = await readFile(image?.path ?? '');
    const { reason } = await host.refusal(await serveBytes(Buffer.concat([raw, Buffer.alloc(9 * MIB, 1)])));
    expect(reason).to.equal('ImageTooLarge');
    expect((await readFile(host.slotB)).length).to.equal(32 * MIB);
    await expectDestroyed();
  });

  it('refuses an image that is cut off inside its file system', async () => {
    const raw = await readFile(image?.path ?? '');
    expect((await host.refusal(await serveBytes(raw.subarray(0, 20 * MIB)))).reason).to.equal('ImageInvalid');
    await expectDestroyed();
  });

  const withBytes = (at: number, bytes: string) => {
    const buffer = Buffer.alloc(256 * 1024);
    buffer.write(bytes, at, 'latin1');
    return buffer;
  };
  for (const { what, bytes } of [
    { what: 'GPT', bytes: withBytes(512, 'EFI PART') },
    { what: 'MBR', bytes: withBytes(510, '\x55\xaa') },
    { what: 'tar', bytes: withBytes(257, 'ustar') },
    { what: 'gzip', bytes: Buffer.from('1f8b0800000000000003', 'hex') },
    { what: 'xz', bytes: Buffer.from('fd377a585a000004', 'hex') },
    { what: 'packed twice, with gzip within', bytes: gzipSync(gzipSync('x'.repeat(2000))) },
    { what: 'web page', bytes: Buffer.from('<!doctype html><title>login</title>') },
    { what: 'empty', bytes: Buffer.alloc(0) },
    { what: 'no ext4', bytes: Buffer.alloc(200_000) },
  ]) {
    it(`refuses by name: ${what}`, async () => {
      const { reason, message } = await host.refusal(await serveBytes(bytes));
      expect(reason).to.equal('ImageInvalid');
      expect(message).to.contain(what);
      await expectUntouched();
    });
  }

  it('leaves nothing to find when it is stopped in the middle', async () => {
    const big = await buildImage({ version: 'v1.35.1', sizeMiB: 24, fillMiB: 10 });
    server.serve('/image', big.zstPath);
    server.setFaults('/image', { kind: 'stall', atBytes: 8 * MIB });
    const ended = host.stage(plan).catch((error: Error) => error.name);
    while ((await host.headOfB()).some(byte => byte !== 0)) await new Promise(setImmediate);
    host.abort.abort();
    expect(await ended).to.equal('AbortError');
    await expectDestroyed();
  });

  it('lets nobody else write to the slot meanwhile', async () => {
    server.setFaults('/image', { kind: 'stall', atBytes: 100_000 });
    const first = host.stage(plan).catch((error: Error) => error.name);
    while (!host.progress.some(({ bytesDone }) => bytesDone > 0)) await new Promise(setImmediate);
    expect((await host.refusal(plan)).reason).to.equal('SlotBusy');
    host.abort.abort();
    expect(await first).to.equal('AbortError');
  });

  it('never overwrites the slot that runs', async () => {
    await writeFile(join(host.root, 'proc/cmdline'), 'root=LABEL=ROOT-B\n');
    expect((await host.refusal(plan)).reason).to.equal('SlotRunning');
  });

  it('says in the log that an http address is insecure', async () => {
    await host.stage(plan);
    expect(host.log.lines.join('\n')).to.contain('insecure');
  });

  it('refuses an http address without flagSafe, and asks nobody for it', async () => {
    const before = server.requests.length;
    const { reason, message } = await host.refusal({ ...plan, flagSafe: false });
    expect(server.requests).to.have.length(before);
    expect(reason).to.equal('InsecureAddress');
    expect(message).to.contain('insecure').and.to.contain('flagSafe');
  });

  it('takes an image whose digest is right whatever the block size of its file system', async () => {
    const path = join(host.root, 'blocks');
    await writeFile(path, '');
    await truncate(path, 8 * MIB);
    await execute('/usr/sbin/mkfs.ext4', ['-q', '-F', '-b', '1024', path]);
    const bytes = await readFile(path);
    const digest = createHash('sha256').update(bytes).digest('hex');
    server.serve('/image', path);
    await host.stage({ url: plan.url, checksum: `sha256:${digest}`, flagSafe: true });
    await runProgram('e2fsck', '-fn', host.slotB);
  });
});
