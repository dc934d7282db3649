import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { buildImage, type Image } from '../env/images.ts';
import type { EmulatedNode } from '../env/node/emulated-node.ts';
import { runProgram } from '../env/node/run-program.ts';
import { eventually } from '../env/wait.ts';
import { IMAGE_PATH, NEW, OLD, useWorld } from '../faults/world.ts';
import { startFlash } from './flash-machine.ts';
import type { CtlResult } from './run-ctl.ts';

const MIB = 1024 * 1024;
/** What is flashed by hand; plans ask for another version. */
const BY_HAND = 'v1.34.6';

describe('ctl flash beside a running agent', function () {
  this.timeout(120_000);
  const world = useWorld();
  let image: Image;

  before(async () => {
    image = await buildImage({ version: BY_HAND });
  });
  afterEach(() => world().server.setFaults(IMAGE_PATH));

  const start = (node: EmulatedNode, ...args: string[]) =>
    startFlash(join(node.dir, 'agent.yaml'), ['--slot', 'B', ...args]);
  const flash = (node: EmulatedNode): Promise<CtlResult> => start(node, image.zstPath).ended;
  const versionInB = async (node: EmulatedNode) => (await node.slotOsRelease('B')).VERSION_ID;

  it('works, and the agent keeps the system that was booted by hand', async () => {
    const node = await world().node();
    const { pid } = node.agent;
    const { code, stdout, stderr } = await flash(node);
    expect(code, stderr).to.equal(0);
    expect(node.agent.pid, 'the agent still runs').to.equal(pid);
    const [, path = '', value = ''] = /^ {2}grub-editenv (\S+) set (\S+)$/m.exec(stdout) ?? [];
    await runProgram('grub-editenv', join(node.files.root, path), 'set', value);
    await node.reboot();
    expect(node.bootedSlot).to.equal('B');
    await eventually(async () => (await node.grubenv()).saved_entry === 'B', {
      timeoutMs: 60_000,
      what: 'the agent keeps slot B',
    });
    await eventually(
      async () => {
        const { stdout: events } = await world().cluster.kubectl(['events', '--for', `node/${node.name}`]);
        return events.includes('ManualBootKept');
      },
      { timeoutMs: 60_000, what: 'the Event is there' },
    );
    await node.assertBootsVersion(BY_HAND);
  });

  it('is refused while the agent installs, which goes on', async () => {
    const node = await world().node({ agentConfig: { stallSeconds: 16 } });
    world().server.setFaults(IMAGE_PATH, { kind: 'stall', atBytes: MIB });
    const plan = await world().plan(node.name, world().entry(), {
      gate: { state: 'Closed', attempt: 1, reason: '', message: '' },
    });
    await world().until(plan, 'downloads', ({ phase }) => phase === 'Downloading');
    const { code, stderr } = await flash(node);
    expect(code).to.equal(1);
    expect(stderr).to.contain('being written');
    world().server.setFaults(IMAGE_PATH);
    await world().until(plan, 'is staged', ({ phase }) => phase === 'Staged');
    expect(await versionInB(node)).to.equal(NEW.slice(1));
  });

  it('keeps the agent waiting, which installs after it', async () => {
    const node = await world().node({ secondVersion: 'v1.33.0', agentConfig: { stallSeconds: 60 } });
    const flashing = start(node);
    const bytes = await readFile(image.path);
    flashing.child.stdin.write(bytes.subarray(0, 10 * MIB));
    await eventually(async () => (await versionInB(node)) === undefined, {
      timeoutMs: 20_000,
      what: 'it writes',
    });
    const plan = await world().plan(node.name, world().entry(), {
      gate: { state: 'Closed', attempt: 1, reason: '', message: '' },
    });
    const waiting = await world().until(plan, 'waits', ({ retryCount }) => (retryCount ?? 0) > 0);
    expect(waiting.message).to.contain('SlotBusy');
    flashing.child.stdin.end(bytes.subarray(10 * MIB));
    const { code, stderr } = await flashing.ended;
    expect(code, stderr).to.equal(0);
    await world().until(plan, 'is staged', ({ phase }) => phase === 'Staged');
    expect(await versionInB(node)).to.equal(NEW.slice(1));
  });

  it('of a slot that an upgrade has staged ends that upgrade', async () => {
    const node = await world().node();
    const gate = { state: 'Closed' as const, attempt: 1, reason: '', message: '' };
    const plan = await world().plan(node.name, world().entry(), { gate });
    await world().until(plan, 'is staged', ({ phase }) => phase === 'Staged');
    expect((await flash(node)).code).to.equal(0);
    await world().cluster.kubectl([
      ...['patch', 'osupgradeprogress', plan, '--type=merge', '-p'],
      JSON.stringify({ spec: { plan: { gate: { ...gate, state: 'Open' } } } }),
    ]);
    const ended = await world().end(plan);
    expect(`${ended.phase} ${ended.failureReason}`).to.equal('Failed SlotChanged');
    expect(await versionInB(node), 'what was flashed is still there').to.equal(BY_HAND.slice(1));
    await node.assertBootsVersion(OLD);
  });

  it('with the very image that an upgrade has staged ends that upgrade too', async () => {
    const node = await world().node();
    const gate = { state: 'Closed' as const, attempt: 1, reason: '', message: '' };
    const plan = await world().plan(node.name, world().entry(), { gate });
    await world().until(plan, 'is staged', ({ phase }) => phase === 'Staged');
    expect((await start(node, world().image.zstPath).ended).code).to.equal(0);
    await world().cluster.kubectl([
      ...['patch', 'osupgradeprogress', plan, '--type=merge', '-p'],
      JSON.stringify({ spec: { plan: { gate: { ...gate, state: 'Open' } } } }),
    ]);
    expect((await world().end(plan)).failureReason).to.equal('SlotChanged');
  });

  it('is refused while the node is on trial', async () => {
    const node = await world().node();
    node.faults.neverReady.add('B');
    const plan = await world().plan(node.name, world().entry());
    await world().until(plan, 'is on trial', ({ phase }) => phase === 'Confirming');
    const { code, stderr } = await startFlash(join(node.dir, 'agent.yaml'), ['--slot', 'A', image.zstPath])
      .ended;
    expect(code).to.equal(1);
    expect(stderr).to.contain(plan);
    expect((await world().end(plan)).phase).to.equal('RolledBack');
    await node.assertBootsVersion(OLD);
  });
});
