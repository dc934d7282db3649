import { copyFile, mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { buildImage } from '../images.ts';
import { type BootFaults, type BootResult, boot } from './firmware.ts';
import { installNode, type NodeFiles } from './node-files.ts';
import { runProgram } from './run-program.ts';

const NO_FAULTS: BootFaults = { notLoadable: new Set(), panics: new Set() };

describe('the firmware stand-in', function () {
  this.timeout(30_000);
  let dir: string;
  let files: NodeFiles;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'firmware-'));
    files = await installNode(dir, { version: 'v1.34.1', secondVersion: 'v1.35.1' });
  });
  afterEach(() => rm(dir, { recursive: true }));

  const setEnvironment = (...assignments: string[]) =>
    runProgram('grub-editenv', files.grubEnvironment, 'set', ...assignments);
  const environment = () => runProgram('grub-editenv', files.grubEnvironment, 'list');
  const bootLog = () => readFile(files.bootLog, 'utf8');
  const slotOf = (result: BootResult) => (result.outcome === 'booted' ? result.slot : result.outcome);

  it('shares no code with the agent', async () => {
    const names = ['firmware.ts', 'uboot-node.ts', 'uboot-firmware.ts', 'slot-file.ts', 'run-program.ts'];
    for (const name of names) {
      expect(await readFile(join(import.meta.dirname, name), 'utf8')).not.to.match(/from '.*src\//);
    }
  });

  it('boots saved_entry and reads its os-release', async () => {
    const result = await boot(files, NO_FAULTS);
    expect(result).to.deep.include({ outcome: 'booted', slot: 'A' });
    expect(result).to.have.nested.property('osRelease.VERSION_ID', '1.34.1');
    expect(result).to.have.property('commandLine').that.contains('root=LABEL=ROOT-A ro');
    await setEnvironment('saved_entry=B');
    expect(await boot(files, NO_FAULTS)).to.have.nested.property('osRelease.PRETTY_NAME', 'Demo OS 1.35.1');
  });

  it('boots next_entry once', async () => {
    await setEnvironment('next_entry=B');
    expect(slotOf(await boot(files, NO_FAULTS))).to.equal('B');
    expect(await environment()).to.equal('saved_entry=A\nnext_entry=\n');
    expect(slotOf(await boot(files, NO_FAULTS))).to.equal('A');
    expect(await bootLog()).to.contain('next_entry=B, cleared');
  });

  it('boots the first entry when the environment is destroyed or says nothing', async () => {
    await setEnvironment('saved_entry=B');
    await runProgram('grub-editenv', files.grubEnvironment, 'unset', 'saved_entry');
    expect(slotOf(await boot(files, NO_FAULTS))).to.equal('A');
    const block = await open(files.grubEnvironment, 'r+');
    await block.write(Buffer.alloc(64), 0, 64, 0);
    await block.close();
    expect(slotOf(await boot(files, NO_FAULTS))).to.equal('A');
    expect(await bootLog()).to.contain('invalid environment block');
  });

  it('takes fallback when the entry cannot be loaded', async () => {
    await setEnvironment('next_entry=B', 'fallback=A');
    expect(slotOf(await boot(files, { ...NO_FAULTS, notLoadable: new Set(['B']) }))).to.equal('A');
  });

  it('waits at the menu without fallback', async () => {
    await copyFile(
      (await buildImage({ version: 'v1.35.1', label: 'ROOT-B', without: ['initrd'] })).path,
      files.slots.B,
    );
    await setEnvironment('next_entry=B');
    expect(slotOf(await boot(files, NO_FAULTS))).to.equal('menu');
    expect(await bootLog()).to.contain("file '/boot/initramfs.img' not found");
  });

  it('comes back in the default slot after a kernel panic', async () => {
    await setEnvironment('next_entry=B');
    expect(slotOf(await boot(files, { ...NO_FAULTS, panics: new Set(['B']) }))).to.equal('A');
    expect(slotOf(await boot(files, { ...NO_FAULTS, panics: new Set(['A']) }))).to.equal('loop');
  });

  it('finds slots by label only, the first disk first', async () => {
    await copyFile((await buildImage({ version: 'v1.35.1', label: 'ROOT-B' })).path, files.slots.A);
    await setEnvironment('saved_entry=B');
    expect(slotOf(await boot(files, NO_FAULTS))).to.equal('A');
    await setEnvironment('saved_entry=A');
    expect(slotOf(await boot(files, NO_FAULTS))).to.equal('menu');
  });

  it('panics on a system of which some blocks were not written', async () => {
    const blocks = await runProgram('debugfs', '-R', 'blocks /usr/share/payload', files.slots.B);
    const stats = await runProgram('debugfs', '-R', 'stats -h', files.slots.B);
    const blockSize = Number(/^Block size:\s+(\d+)/m.exec(stats)?.[1]);
    const slot = await open(files.slots.B, 'r+');
    await slot.write(Buffer.alloc(blockSize), 0, blockSize, Number(blocks.split(' ')[9]) * blockSize);
    await slot.close();
    await setEnvironment('next_entry=B');
    expect(slotOf(await boot(files, NO_FAULTS))).to.equal('A');
    expect(await bootLog()).to.match(/panic in slot B: .*damaged/);
  });
});
