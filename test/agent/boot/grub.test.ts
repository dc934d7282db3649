import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { GrubSettings } from '../../../src/agent/boot/boot-loader-settings.ts';
import { createGrub } from '../../../src/agent/boot/grub.ts';
import { AgentConfig } from '../../../src/agent/config.ts';
import { reasonOf } from '../../../src/domain/errors.ts';
import { recordingLog } from '../host/recording-log.ts';

const execute = promisify(execFile);

const HONOURS = `load_env
if [ "\${next_entry}" ]; then
  set default="\${next_entry}"
  set next_entry=
  save_env next_entry
else
  set default="\${saved_entry}"
fi
`;
const ENTRIES = ['A', 'B']
  .map(
    slot => `menuentry '${slot}' $menuentry_id_option 'KubeOS-${slot}' {
  search --no-floppy --label ROOT-${slot} --set=root
  linux /boot/vmlinuz root=LABEL=ROOT-${slot}
  initrd /boot/initramfs.img
}
`,
  )
  .join('');

describe('GRUB', () => {
  let [root, folder, environment] = ['', '', ''];
  const set = (...pairs: string[]) => execute('grub-editenv', [environment, 'set', ...pairs]);
  const list = async () => (await execute('grub-editenv', [environment, 'list'])).stdout;
  const grub = (bootLoader: object = {}) =>
    createGrub(
      {
        ...AgentConfig.parse({ hostRoot: root, slots: { A: '/a', B: '/b' } }),
        bootLoader: GrubSettings.parse(bootLoader),
      },
      recordingLog().log,
    );
  const reasonFrom = (promise: Promise<unknown>) => promise.then(() => 'nothing', reasonOf);

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'grub-'));
    folder = join(root, 'boot/efi/EFI/openEuler');
    environment = join(folder, 'grubenv');
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'grub.cfg'), HONOURS + ENTRIES);
    for (const slot of ['a', 'b']) await writeFile(join(root, slot), 'slot');
    await execute('grub-editenv', [environment, 'create']);
    await set('saved_entry=A');
  });
  afterEach(() => rm(root, { recursive: true }));

  it('reads the default entry and an armed trial', async () => {
    expect(await grub().read()).to.deep.equal({ defaultSlot: 'A' });
    await set('saved_entry=KubeOS-B', 'next_entry=0');
    expect(await grub().read()).to.deep.equal({ defaultSlot: 'B', trialSlot: 'A' });
  });

  it('takes the first entry for the default where nothing is saved', async () => {
    await execute('grub-editenv', [environment, 'unset', 'saved_entry']);
    expect(await grub().read()).to.deep.equal({ defaultSlot: 'A' });
  });

  it('refuses a default entry that is neither slot', async () => {
    await set('saved_entry=rescue');
    expect(await reasonFrom(grub().read())).to.equal('BootEnvironmentInvalid');
  });

  it('arms a trial for one boot, in place, and keeps the rest', async () => {
    await set('kernelopts=quiet');
    const before = await stat(environment);
    await grub().armTrial('B', 'A');
    expect(await list()).to.equal('saved_entry=A\nnext_entry=B\nfallback=0\nkernelopts=quiet\n');
    expect((await stat(environment)).ino).to.equal(before.ino);
    expect(await grub().read()).to.deep.equal({ defaultSlot: 'A', trialSlot: 'B' });
  });

  it('settles on the running slot', async () => {
    await grub().armTrial('B', 'A');
    await grub().settle('B');
    expect(await list()).to.equal('saved_entry=B\nnext_entry=\nfallback=\n');
    expect(await grub().read()).to.deep.equal({ defaultSlot: 'B' });
  });

  it('removes what would restore an older default', async () => {
    await set('prev_saved_entry=A');
    await grub().settle('B');
    expect(await list()).to.contain('prev_saved_entry=\n');
  });

  it('tells the files that an entry loads', async () => {
    expect(await grub().bootFiles('B')).to.deep.equal(['/boot/vmlinuz', '/boot/initramfs.img']);
  });

  it('tells how a slot knows that it is the default', async () => {
    const found = await grub().describeDefault('B');
    expect(found).to.deep.include({ type: 'grub', values: ['B', 'KubeOS-B', '1'], isFirst: false });
    const first = await grub().describeDefault('A');
    expect(first).to.deep.include({ values: ['A', 'KubeOS-A', '0'], isFirst: true });
    if (first.type !== 'grub') throw new Error('is of GRUB');
    expect(first.environment.path).to.equal('/boot/efi/EFI/openEuler/grubenv');
  });

  it('takes no number for a slot that is the title of the other', async () => {
    await writeFile(join(folder, 'grub.cfg'), HONOURS + ENTRIES.replaceAll("'A'", "'1'"));
    const found = await grub({ entries: { A: '1', B: 'B' } }).describeDefault('B');
    expect(found).to.deep.include({ values: ['B', 'KubeOS-B'] });
  });

  it('accepts a configuration that tries once', () => grub().assertTrialSupported());

  it('refuses one that does not, unless a plain switch is allowed', async () => {
    await writeFile(join(folder, 'grub.cfg'), `load_env\nset default="\${saved_entry}"\n${ENTRIES}`);
    expect(await reasonFrom(grub().assertTrialSupported())).to.equal('TrialBootUnsupported');
    expect(await reasonFrom(grub().armTrial('B', 'A'))).to.equal('TrialBootUnsupported');
    const plain = grub({ allowPlainSwitch: true });
    await plain.assertTrialSupported();
    await plain.armTrial('B', 'A');
    expect(await plain.read()).to.deep.equal({ defaultSlot: 'B' });
  });

  it('refuses an entry that would not find a new system, whose file system has another UUID', async () => {
    await grub().assertFindsNewSystem('B');
    const byUuid = ENTRIES.replace('root=LABEL=ROOT-B', 'ro root=UUID=0a1b2c3d-0000-4000-8000-000000000000');
    await writeFile(join(folder, 'grub.cfg'), HONOURS + byUuid);
    await grub().assertFindsNewSystem('A');
    expect(await reasonFrom(grub().assertFindsNewSystem('B'))).to.equal('BootLineUnsupported');
  });

  it('says before the download that the environment block is full', async () => {
    await set(...Array.from({ length: 8 }, (_, at) => `kernelopts${at}=${'x'.repeat(95)}`));
    expect(await grub().read()).to.deep.equal({ defaultSlot: 'A' });
    const error: unknown = await grub()
      .assertTrialSupported()
      .catch((e: unknown) => e);
    expect(reasonOf(error)).to.equal('BootEnvironmentInvalid');
    expect(String(error)).to.contain('no room').and.to.contain('unset NAME').and.not.to.contain('create');
  });

  it('names entries that the configuration asks for and GRUB lacks', async () => {
    const error = await grub({ entries: { A: 'A', B: 'KubeOS-C' } })
      .read()
      .catch(String);
    expect(error).to.contain('KubeOS-C').and.to.contain('"A", "B"');
  });

  it('writes the configured id', async () => {
    await grub({ entries: { A: 'KubeOS-A', B: 'KubeOS-B' } }).armTrial('B', 'A');
    expect(await list()).to.contain('next_entry=KubeOS-B');
  });

  for (const { what, content } of [
    { what: 'truncated', content: '# GRUB Environment Block\nsaved_entry=A\n' },
    { what: 'foreign', content: 'x'.repeat(1024) },
  ]) {
    it(`refuses a ${what} environment block and leaves it alone`, async () => {
      await writeFile(environment, content);
      expect(await reasonFrom(grub().settle('A'))).to.equal('BootEnvironmentInvalid');
      expect(await readFile(environment, 'utf8')).to.equal(content);
    });
  }

  it('looks in the usual places and says where', async () => {
    await rm(join(root, 'boot/efi'), { recursive: true });
    const error = await grub().read().catch(String);
    expect(error).to.contain('/boot/grub2/grubenv').and.to.contain('grub-editenv');
    await mkdir(join(root, 'boot/grub2'), { recursive: true });
    environment = join(root, 'boot/grub2/grubenv');
    await execute('grub-editenv', [environment, 'create']);
    await writeFile(join(root, 'boot/grub2/grub.cfg'), HONOURS + ENTRIES);
    expect(await grub().read()).to.deep.equal({ defaultSlot: 'A' });
  });
});
