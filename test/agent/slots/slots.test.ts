import { randomBytes } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, open, readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { AgentConfig } from '../../../src/agent/config.ts';
import type { Slots } from '../../../src/agent/ports.ts';
import { createSlots } from '../../../src/agent/slots/slots.ts';
import { reasonOf } from '../../../src/domain/errors.ts';
import { buildImage, makeFileSystem } from '../../env/images.ts';
import { runProgram } from '../../env/node/run-program.ts';
import { recordingLog } from '../host/recording-log.ts';

const MIB = 1024 * 1024;

describe('slots', () => {
  let [root, image] = ['', ''];
  const slotsOf = (slots?: Record<string, string>): Slots =>
    createSlots(AgentConfig.parse({ hostRoot: root, ...(slots && { slots }) }), recordingLog().log);
  const files = { A: '/a.img', B: '/b.img' };
  const refusal = async (promise: Promise<unknown>) => {
    const error: unknown = await promise.then(
      () => undefined,
      (e: unknown) => e,
    );
    return { reason: reasonOf(error), message: String(error) };
  };

  before(async () => {
    image = (await buildImage({ version: 'v1.34.1', sizeMiB: 8, fillMiB: 1 })).path;
  });
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'slots-'));
    await copyFile(image, join(root, 'a.img'));
    await writeFile(join(root, 'b.img'), '');
    await truncate(join(root, 'b.img'), 8 * MIB);
    await mkdir(join(root, 'proc'));
    await writeFile(join(root, 'proc/cmdline'), 'ro root=LABEL=ROOT-A quiet\n');
  });
  afterEach(() => rm(root, { recursive: true }));

  it('tells the running slot, and what lies on both', async () => {
    const layout = await slotsOf(files).inspect();
    expect(layout.booted).to.equal('A');
    expect(layout.A.osRelease).to.deep.equal({ versionId: '1.34.1', prettyName: 'Demo OS 1.34.1' });
    expect(layout.A.sizeBytes).to.equal(8 * MIB);
    expect(layout.B).to.not.have.property('osRelease');
    expect(layout.A.superblockHash)
      .to.match(/^[0-9a-f]{64}$/)
      .and.to.not.equal(layout.B.superblockHash);
  });

  it('asks the running system itself, whose files an overlay may cover', async () => {
    await mkdir(join(root, 'etc'));
    await writeFile(join(root, 'shown'), 'VERSION_ID=8\n');
    await runProgram('ln', '-s', '/shown', join(root, 'etc/os-release'));
    const layout = await slotsOf(files).inspect();
    expect(layout.A.osRelease?.versionId).to.equal('8');
    expect(layout.B).to.not.have.property('osRelease');
  });

  it('follows links to os-release as they mean inside the slot', async () => {
    const tree = join(root, 'tree');
    const far = 'a-folder-with-a-very-long-name-so-that-the-link-does-not-fit-into-the-inode';
    await mkdir(join(tree, 'usr/lib', far), { recursive: true });
    await mkdir(join(tree, 'etc'));
    await writeFile(join(tree, 'usr/lib', far, 'os-release'), 'VERSION_ID=7\n');
    await runProgram('ln', '-s', `/usr/lib/${far}/os-release`, join(tree, 'usr/lib/os-release'));
    await runProgram('ln', '-s', '../usr/lib/os-release', join(tree, 'etc/os-release'));
    await makeFileSystem(join(root, 'b.img'), { sizeMiB: 8, tree });
    const slots = slotsOf(files);
    expect((await slots.inspect()).B.osRelease?.versionId).to.equal('7');
    expect(await slots.missingFiles('B', ['/etc/os-release', '/boot/vmlinuz'])).to.deep.equal([
      '/boot/vmlinuz',
    ]);
  });

  it('counts a link to nothing as missing, and one to itself', async () => {
    const tree = join(root, 'tree');
    await mkdir(tree);
    await runProgram('ln', '-s', 'nothing', join(tree, 'dangling'));
    await runProgram('ln', '-s', 'loop', join(tree, 'loop'));
    await makeFileSystem(join(root, 'b.img'), { sizeMiB: 8, tree });
    const names = ['/dangling', '/loop', '/od"d'];
    expect(await slotsOf(files).missingFiles('B', names)).to.deep.equal(names);
  });

  for (const { what, bytes } of [
    { what: 'noise', bytes: () => randomBytes(2 * MIB) },
    {
      what: 'a superblock and nothing behind it',
      bytes: async () => (await readFile(image)).subarray(0, 2048),
    },
  ]) {
    it(`sees no system in ${what}`, async () => {
      await writeFile(join(root, 'b.img'), await bytes());
      expect((await slotsOf(files).inspect()).B).to.not.have.property('osRelease');
    });
  }

  it('looks again only when the slot was written to', async () => {
    const slots = slotsOf(files);
    const path = join(root, 'a.img');
    await utimes(path, 1000, 1000);
    await slots.inspect();
    const at = (await readFile(path)).indexOf('VERSION_ID=1.34.1');
    const handle = await open(path, 'r+');
    await handle.write('VERSION_ID=1.34.9', at);
    await handle.close();
    await utimes(path, 1000, 1000);
    expect((await slots.inspect()).A.osRelease?.versionId).to.equal('1.34.1');
    await utimes(path, new Date(), new Date());
    expect((await slots.inspect()).A.osRelease?.versionId).to.equal('1.34.9');
  });

  it('destroys the superblock of the slot that does not run, and of no other', async () => {
    await copyFile(image, join(root, 'b.img'));
    const slots = slotsOf(files);
    await slots.destroySuperblock('B');
    expect((await slots.inspect()).B).to.not.have.property('osRelease');
    expect((await refusal(slots.destroySuperblock('A'))).reason).to.equal('SlotRunning');
    expect((await refusal(slots.assertWritable('A'))).reason).to.equal('SlotRunning');
    await slots.assertWritable('B');
  });

  for (const { what, slots, reason, says } of [
    {
      what: 'three slots',
      slots: { ...files, C: '/c.img' },
      reason: 'SlotCountUnsupported',
      says: 'A, B, C',
    },
    { what: 'one slot', slots: { A: '/a.img' }, reason: 'SlotCountUnsupported', says: 'slots: {A: ' },
    {
      what: 'one file twice',
      slots: { A: '/a.img', B: '/./a.img' },
      reason: 'SlotCountUnsupported',
      says: 'same',
    },
    { what: 'a slot that is not there', slots: { A: '/a.img', B: '/x' }, reason: 'SlotNotFound', says: '/x' },
    { what: 'a folder', slots: { A: '/a.img', B: '/proc' }, reason: 'SlotNotFound', says: '/proc' },
  ]) {
    it(`refuses ${what}`, async () => {
      const found = await refusal(slotsOf(slots).inspect());
      expect(found.reason).to.equal(reason);
      expect(found.message).to.contain(says);
    });
  }

  it('refuses a system under dm-verity by name', async () => {
    await writeFile(join(root, 'proc/cmdline'), 'root=/dev/mapper/kubeos-root ro dmvroothash=abc\n');
    expect((await refusal(slotsOf(files).inspect())).reason).to.equal('VerityUnsupported');
  });

  it('says so when it does not know the running slot', async () => {
    await writeFile(join(root, 'proc/cmdline'), 'root=/dev/sda1\n');
    expect((await refusal(slotsOf(files).inspect())).reason).to.equal('BootedSlotUnknown');
  });

  for (const { what, folder, labels, reason } of [
    {
      what: 'a third partition label',
      folder: 'by-partlabel',
      labels: ['A', 'B', 'C'],
      reason: 'SlotCountUnsupported',
    },
    { what: 'one partition label', folder: 'by-partlabel', labels: ['A'], reason: 'SlotCountUnsupported' },
    {
      what: 'a third file-system label',
      folder: 'by-label',
      labels: ['A', 'B', 'C'],
      reason: 'SlotCountUnsupported',
    },
    { what: 'nothing that could be a slot', folder: 'by-label', labels: [], reason: 'SlotNotFound' },
  ]) {
    it(`refuses ${what}`, async () => {
      const path = join(root, 'dev/disk', folder);
      await mkdir(path, { recursive: true });
      for (const label of labels) await writeFile(join(path, `ROOT-${label}`), '');
      expect((await refusal(slotsOf().inspect())).reason).to.equal(reason);
    });
  }
});
