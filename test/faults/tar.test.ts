import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { buildRootTar, checksumOf, type RootTar } from '../env/images.ts';
import { needsRoot } from '../env/needs-root.ts';
import type { EmulatedNode } from '../env/node/emulated-node.ts';
import { type PowerCut, readTrace } from '../env/node/power-cut-plan.ts';
import { runProgram } from '../env/node/run-program.ts';
import { readLabel } from '../env/node/slot-file.ts';
import { eventually } from '../env/wait.ts';
import { fault } from './rows.ts';
import { type Expected, expectEnd, NEW, OLD, useWorld } from './world.ts';

const RETRY = 'retryNonce';
const PATH = '/rootfs.tar';
/** How many power cuts are spread over the agent's own writes. `POWER_CUTS=all` cuts at each. */
const CUTS = process.env.POWER_CUTS === 'all' ? Number.POSITIVE_INFINITY : 6;
const AT_ONCE = 3;
const SLOW_PATH = '/slow.tar';

describe('faults of the tar of a root file system', function () {
  this.timeout(600_000);
  const world = useWorld();
  let node: EmulatedNode;
  let tar: RootTar;

  before(async function () {
    needsRoot(this, 'mounting a slot');
    tar = await buildRootTar({ version: NEW });
    world().server.serve(PATH, tar.path);
    node = await world().node({ secondVersion: 'v1.33.0' });
  });
  afterEach(() => world().server.setFaults(PATH));

  type Entry = ReturnType<ReturnType<typeof world>['entry']>;
  /** What a plan says of the tar. No size: a tar does not have that of the file system. */
  const entry = (change: Partial<Entry> = {}): Entry => {
    const { size: _, ...rest } = world().entry();
    return { ...rest, url: `${world().server.url}${PATH}`, checksum: tar.rawChecksum, ...change };
  };
  const served = async (path: string, file: string): Promise<Partial<Entry>> => {
    world().server.serve(path, file);
    return { url: `${world().server.url}${path}`, checksum: await checksumOf(file) };
  };
  const fails = async (change: Partial<Entry>, reason: string, says: Expected['says']): Promise<void> => {
    const status = await world().end(await world().plan(node.name, entry(change)));
    await expectEnd(status, node, { phase: 'Failed', reason, says: [...says, RETRY] });
    await expectNothingMounted(node);
    expect(await node.slotOsRelease('B'), 'the slot holds no system').to.deep.equal({});
  };
  const expectNothingMounted = async (on: EmulatedNode): Promise<void> => {
    expect(await isMounted(on), 'the slot is mounted').to.equal(false);
  };

  fault('tar damaged', async () => {
    world().server.setFaults(PATH, { kind: 'wrongByte', atBytes: 2_000_000 });
    await fails({}, 'ChecksumMismatch', [tar.rawChecksum]);
    // Damaged before its checksum was taken.
    const file = join(world().cluster.dir, 'damaged.tar');
    const bytes = Buffer.concat([Buffer.from(await runProgram('tar', '--version')), Buffer.alloc(4096, 'x')]);
    await writeFile(file, bytes);
    await fails(await served('/damaged.tar', file), 'ImageInvalid', ['tar']);
  });

  fault('tar that ends too early', async () => {
    const file = join(world().cluster.dir, 'short.tar');
    await runProgram('cp', tar.path, file);
    await truncate(file, 1_000_000);
    await fails(await served('/short.tar', file), 'ImageInvalid', [/cut off|end/]);
  });

  fault('tar that is larger than the slot', async () => {
    const large = await buildRootTar({ version: NEW, fillMiB: 40 });
    await fails(await served('/large.tar', large.path), 'ImageTooLarge', [/slot/]);
  });

  fault('tar without a system', async () => {
    const empty = await buildRootTar({ version: NEW, without: ['os-release', 'kernel'], fillMiB: 1 });
    const status = await world().end(
      await world().plan(node.name, entry(await served('/e.tar', empty.path))),
    );
    await expectEnd(status, node, { phase: 'Failed', reason: 'VersionMismatch', says: [NEW, RETRY] });
    expect(node.bootCount).to.equal(1);
  });

  const isMounted = async ({ files }: EmulatedNode): Promise<boolean> =>
    (await runProgram('losetup', '-j', files.slots.B)) !== '';
  /** Resolves when the slot is being filled, and so much of the file has been sent since now. */
  const untilUnpacked = (on: EmulatedNode, share: number): Promise<boolean> => {
    const wanted = world().server.bytesSent(SLOW_PATH) + tar.sizeBytes * share;
    return eventually(async () => world().server.bytesSent(SLOW_PATH) >= wanted && (await isMounted(on)), {
      timeoutMs: 60_000,
      everyMs: 20,
      what: `${share * 100} % are fetched`,
    });
  };
  /** A plan whose image comes slowly enough to be interrupted at a chosen place. */
  const planSlowly = (on: EmulatedNode): Promise<string> => {
    world().server.serve(SLOW_PATH, tar.path);
    world().server.setFaults(SLOW_PATH, { kind: 'slow', bytesPerSecond: 1_500_000 });
    return world().plan(on.name, entry({ url: `${world().server.url}${SLOW_PATH}` }));
  };
  const completes = async (on: EmulatedNode, name: string): Promise<void> => {
    const status = await world().end(name);
    expect(status.phase, status.message).to.equal('Completed');
    expect(status.attempt).to.equal(1);
    await on.assertBootsVersion(NEW);
    await expectNothingMounted(on);
  };

  fault('agent killed while a tar is unpacked', async () => {
    const on = await world().node({ secondVersion: 'v1.33.0' });
    const name = await planSlowly(on);
    for (const share of [0.3, 0.7]) {
      await untilUnpacked(on, share);
      on.agent.restarts = false;
      await on.agent.kill('SIGKILL');
      await eventually(async () => !(await isMounted(on)), {
        timeoutMs: 10_000,
        what: 'what it had mounted goes with it',
      });
      expect(await readLabel(on.files.slots.B), 'GRUB does not find a slot that is half filled').to.not.equal(
        'ROOT-B',
      );
      await on.assertBootsVersion(OLD);
      on.agent.restarts = true;
      on.agent.turnOn();
    }
    await completes(on, name);
    expect(on.bootCount).to.equal(2);
  });

  fault('power cut while a tar is unpacked', async () => {
    const on = await traced({});
    const name = await planSlowly(on);
    await untilUnpacked(on, 0.5);
    await on.agent.kill('SIGUSR2');
    await on.waitForBoot(2);
    await on.assertBootsVersion(OLD);
    world().server.setFaults(SLOW_PATH);
    await completes(on, name);
    expect(on.bootCount).to.equal(3);
    // What the kernel writes for a mounted file system is not the agent's: cuts at its own writes are those around it.
    const points = spread((await readTrace(on.dir)).length, CUTS);
    const ends: string[] = [];
    while (points.length > 0)
      ends.push(...(await Promise.all(points.splice(0, AT_ONCE).map(at => endOfCut({ at, seed: at })))));
    expect(ends.join(), 'some went through').to.contain('Completed');
  });

  const traced = async (cut: PowerCut): Promise<EmulatedNode> => {
    const on = await world().node({ secondVersion: 'v1.33.0' });
    on.agent.powerCut = cut;
    await on.agent.kill('SIGTERM');
    return on;
  };

  /** One upgrade with a power cut: it ends by itself in the old or the new version. */
  const endOfCut = async (cut: PowerCut): Promise<string> => {
    const on = await traced(cut);
    const status = await world().end(await world().plan(on.name, entry()));
    const end = `cut ${cut.at}: ${status.phase} ${status.failureReason}: ${status.message}`;
    expect(status.phase, end).to.be.oneOf(['Completed', 'RolledBack']);
    await on.assertBootsVersion(status.phase === 'Completed' ? NEW : OLD);
    await expectNothingMounted(on);
    await on.removeFromCluster();
    return end;
  };
});

/** `count` numbers, evenly spread from 1 to `last`. */
const spread = (last: number, count: number): number[] =>
  count >= last
    ? Array.from({ length: last }, (_, i) => i + 1)
    : Array.from({ length: count }, (_, i) => Math.round(1 + (i * (last - 1)) / (count - 1)));
