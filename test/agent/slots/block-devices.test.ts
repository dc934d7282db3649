import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { AgentConfig } from '../../../src/agent/config.ts';
import { deviceNumbers } from '../../../src/agent/slots/device.ts';
import { holdSlot } from '../../../src/agent/slots/exclusive.ts';
import { createSlots } from '../../../src/agent/slots/slots.ts';
import { reasonOf } from '../../../src/domain/errors.ts';
import { buildImage } from '../../env/images.ts';
import { runProgram } from '../../env/node/run-program.ts';
import { recordingLog } from '../host/recording-log.ts';

/** Loop devices need root, and a kernel that has them: elsewhere these tests are left out. */
describe('slots on block devices', () => {
  let root = '';
  const loops: string[] = [];
  const mounts: string[] = [];
  const attach = async (file: string): Promise<string> => {
    const device = (await runProgram('losetup', '-f', '--show', file)).trim();
    loops.push(device);
    return device;
  };
  const refusal = (promise: Promise<unknown>) =>
    promise.then(
      () => ({ reason: 'nothing', message: '' }),
      (e: unknown) => ({ reason: reasonOf(e), message: String(e) }),
    );

  beforeEach(async function () {
    root = await mkdtemp(join(tmpdir(), 'blocks-'));
    const image = await buildImage({ version: 'v1.34.1', sizeMiB: 8, fillMiB: 1 });
    for (const slot of ['a.img', 'b.img']) await copyFile(image.path, join(root, slot));
    await mkdir(join(root, 'proc/1'), { recursive: true });
    await mkdir(join(root, 'dev/disk/by-partlabel'), { recursive: true });
    await attach(join(root, 'a.img')).catch((error: unknown) => {
      // In continuous integration a skipped test is a failure, so it cannot go unseen there.
      console.log(`  no loop device could be attached (it needs root): ${String(error)}`);
      this.skip();
    });
  });
  afterEach(async () => {
    for (const place of mounts.splice(0)) await runProgram('umount', place);
    for (const device of loops.splice(0)) await runProgram('losetup', '-d', device);
    await rm(root, { recursive: true });
  });

  const mount = async (source: string): Promise<void> => {
    const place = join(root, 'mnt');
    await mkdir(place, { recursive: true });
    await runProgram('mount', '-o', 'ro', source, place);
    mounts.push(place);
  };
  const filesOnly = () => {
    const config = AgentConfig.parse({ hostRoot: root, slots: { A: '/a.img', B: '/b.img' } });
    return createSlots(config, recordingLog().log);
  };
  /** Two loop devices as slots, the first of which is the host's root. */
  const onDevices = async () => {
    const [a = '', b] = [loops[0], await attach(join(root, 'b.img'))];
    const { major, minor } = deviceNumbers((await stat(a)).rdev);
    await writeFile(join(root, 'proc/1/mountinfo'), `20 1 ${major}:${minor} / / ro - ext4 /dev/root ro\n`);
    await symlink(a, join(root, 'dev/disk/by-partlabel/ROOT-A'));
    await symlink(b, join(root, 'dev/disk/by-partlabel/ROOT-B'));
    return { a, b };
  };
  const found = () => createSlots(AgentConfig.parse({ hostRoot: root }), recordingLog().log);
  const configured = () => {
    const slots = { A: '/dev/disk/by-partlabel/ROOT-A', B: '/dev/disk/by-partlabel/ROOT-B' };
    return createSlots(AgentConfig.parse({ hostRoot: root, slots }), recordingLog().log);
  };

  it('refuses a plain file that is attached to a loop device, and says to which', async () => {
    await writeFile(join(root, 'proc/cmdline'), 'root=LABEL=ROOT-B\n');
    await rm(join(root, 'proc/1'), { recursive: true });
    const { reason, message } = await refusal(filesOnly().assertWritable('A'));
    expect(reason).to.equal('SlotMounted');
    expect(message).to.contain(`losetup -d ${loops[0]}`);
  });

  it('refuses a plain file that is mounted, and says where', async () => {
    await writeFile(join(root, 'proc/cmdline'), 'root=LABEL=ROOT-B\n');
    await rm(join(root, 'proc/1'), { recursive: true });
    await mount(loops[0] ?? '');
    const { reason, message } = await refusal(filesOnly().assertWritable('A'));
    expect(reason).to.equal('SlotMounted');
    expect(message).to.contain(join(root, 'mnt'));
  });

  it('finds slots by partition label, and the running one by its device, not by its name', async () => {
    await onDevices();
    const layout = await found().inspect();
    expect(layout.booted).to.equal('A');
    expect(layout.B.sizeBytes).to.equal(8 * 1024 * 1024);
    expect(layout.B.osRelease?.versionId).to.equal('1.34.1');
  });

  it('refuses a slot on another disk than the root’s unless it is configured', async () => {
    await onDevices();
    expect((await refusal(found().assertWritable('B'))).reason).to.equal('SlotForeignDisk');
    await configured().assertWritable('B');
  });

  it('refuses a mounted device, and cannot open it either', async () => {
    const { b } = await onDevices();
    await mount(b);
    expect((await refusal(configured().assertWritable('B'))).reason).to.equal('SlotMounted');
    expect((await refusal(holdSlot(b))).reason).to.equal('SlotMounted');
  });

  it('refuses a device that the host alone has mounted', async () => {
    const { a, b } = await onDevices();
    const line = (device: { major: number; minor: number }, place: string) =>
      `20 1 ${device.major}:${device.minor} / ${place} ro - ext4 /dev/x ro\n`;
    const [deviceA, deviceB] = [deviceNumbers((await stat(a)).rdev), deviceNumbers((await stat(b)).rdev)];
    await writeFile(join(root, 'proc/1/mountinfo'), line(deviceA, '/') + line(deviceB, '/mnt/somewhere'));
    const { reason, message } = await refusal(configured().destroySuperblock('B'));
    expect(reason).to.equal('SlotMounted');
    expect(message).to.contain('/mnt/somewhere');
  });

  it('refuses a device that is mounted in a mount namespace of its own, and says whose that is', async () => {
    const { b } = await onDevices();
    const place = join(root, 'mnt');
    await mkdir(place);
    const script = 'mount -o ro "$1" "$2" && echo mounted && exec sleep 600';
    const keeper = spawn('unshare', ['--mount', 'sh', '-c', script, 'sh', b, place]);
    try {
      await once(keeper.stdout, 'data');
      await symlink(`/proc/${keeper.pid}`, join(root, `proc/${keeper.pid}`));
      const { reason, message } = await refusal(configured().assertWritable('B'));
      expect(reason).to.equal('SlotMounted');
      expect(message).to.contain(`--target ${keeper.pid} --mount umount ${place}`);
    } finally {
      keeper.kill('SIGKILL');
      await once(keeper, 'exit');
    }
  });

  it('opens a device once', async () => {
    const { b } = await onDevices();
    const held = await holdSlot(b);
    expect((await refusal(holdSlot(b))).reason).to.equal('SlotBusy');
    await held.release();
    await (await holdSlot(b)).release();
  });
});
