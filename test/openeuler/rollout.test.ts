import { expect } from 'chai';
import { CORDONED_BY_ANNOTATION, type OSUpgrade } from '../../src/api/monok8s/index.ts';
import { CONFIGURING_LABEL, SERIAL_LABEL, UPGRADING_LABEL } from '../../src/api/openeuler/index.ts';
import { isTerminalPhase } from '../../src/domain/progress.ts';
import { startController } from '../env/controller-process.ts';
import type { EmulatedNode } from '../env/node/emulated-node.ts';
import { eventually } from '../env/wait.ts';
import { nameOf, partitionImage } from './images.ts';
import { useMachines } from './machines.ts';
import { hasCondition } from './machines-view.ts';
import { osObject, pathOf, upgradeTo, windowAround } from './requests.ts';
import { Watcher } from './watcher.ts';

const WORKERS = 5;
const POOL = { 'example.com/pool': 'workers' };

describe('a rollout of an OS object', function () {
  this.timeout(180_000);
  const machines = useMachines({ workers: WORKERS, worker: () => ({ labels: POOL }) });
  const held: (() => void)[] = [];
  let watcher: Watcher;
  let boots: readonly number[];

  beforeEach(async () => {
    watcher = await Watcher.start(machines().cluster);
    boots = machines().workers.map(({ bootCount }) => bootCount);
  });
  afterEach(async () => {
    for (const letBoot of held.splice(0)) letBoot();
    await watcher.stop();
    expect(watcher.breaches).to.deep.equal([]);
    expect(machines().controlPlane?.bootCount, 'the control-plane node is left alone').to.equal(1);
    await nothingIsLeft();
  });

  /** Scripts that were written for KubeOS see that the work is over. */
  const nothingIsLeft = async (): Promise<void> => {
    for (const { name } of machines().workers)
      await eventually(async () => (await leftOn(name)).length === 0, {
        timeoutMs: 10_000,
        what: `nothing is left of the work on ${name}`,
      }).catch(async error =>
        expect.fail(`${error.message}: ${await leftOn(name)}\n${machines().view.explain()}`),
      );
  };
  const leftOn = async (name: string): Promise<string[]> => {
    const { metadata, spec } = await machines().view.node(name);
    const instance = await machines().view.instance(name);
    const labels = [UPGRADING_LABEL, CONFIGURING_LABEL, SERIAL_LABEL];
    return [
      ...labels.filter(label => label in metadata.labels),
      ...Object.keys(metadata.annotations ?? {}).filter(key => key === CORDONED_BY_ANNOTATION),
      ...(spec.unschedulable === true ? ['cordoned'] : []),
      ...(instance.spec?.nodestatus === 'idle' ? [] : [`nodestatus ${instance.spec?.nodestatus}`]),
      ...(instance.spec?.namespacedname === undefined ? [] : ['namespacedname']),
    ];
  };
  /** A node that reboots stays away until the function that this returns is called, at the latest until the test ends. */
  const holdBoot = ({ faults }: EmulatedNode): (() => void) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    faults.bootHold = promise;
    held.push(resolve);
    return resolve;
  };
  const oneBootEach = (): void => {
    const now = machines().workers.map(({ bootCount }) => bootCount);
    expect(now).to.deep.equal(boots.map(count => count + 1));
  };
  /** Applies an `OS` for a release of its own, with the fields that a test is about. */
  const upgrade = async (version: string, fields: object = {}, name = 'os-sample'): Promise<void> => {
    const spec = { ...(await upgradeTo(machines(), version)), timeinterval: 0, ...fields };
    await machines().apply(osObject(spec, name));
  };
  const phasesOf = async (): Promise<Map<string, string | undefined>> => {
    const working = (await machines().view.progresses()).map(
      ({ spec, status }) => [spec.nodeName, status?.phase] as const,
    );
    return new Map(working.filter(([, phase]) => !isTerminalPhase(phase)));
  };
  const untilPhase = (phase: string): Promise<string> =>
    eventually(async () => [...(await phasesOf())].find(([, now]) => now === phase)?.[0], {
      timeoutMs: 60_000,
      everyMs: 50,
      what: `a node is ${phase}`,
    });

  it('never takes more nodes out of service than maxunavailable', async () => {
    await upgrade('1.0.1', { maxunavailable: 2 });
    await machines().untilAllRun('1.0.1');
    await machines().view.untilComplete('os-sample');
    expect(watcher.mostOut).to.be.at.most(2);
    expect(watcher.mostAtWork).to.equal(2);
    expect(watcher.cordoned).to.have.members(machines().workers.map(({ name }) => name));
    oneBootEach();
    for (const { name } of machines().workers)
      expect(watcher.told.get(name), name).to.deep.equal(['idle', 'upgrade default/os-sample', 'idle']);
  });

  it('serial goes node by node through batches that are labelled', async () => {
    await upgrade('1.0.2', { maxunavailable: 2, executionmode: 'serial' });
    await machines().untilAllRun('1.0.2');
    await machines().view.untilComplete('os-sample');
    expect(watcher.mostOut).to.equal(1);
    expect(watcher.mostAtWork).to.equal(1);
    expect(watcher.mostInBatch).to.equal(2);
    oneBootEach();
  });

  it('a window that closes lets a node that is away come back, and begins nothing else', async () => {
    const first = machines().worker(1);
    const letBoot = holdBoot(first);
    await upgrade('1.0.3', { maxunavailable: 1, timewindow: windowAround(-3_600_000, 3_600_000) });
    await untilPhase('Rebooting');
    await upgrade('1.0.3', { maxunavailable: 1, timewindow: windowAround(-3_600_000, 1_500) });
    const { status } = await machines().view.untilOS('os-sample', 'waits for the window', ({ status: now }) =>
      /time window is over/.test(now?.message ?? ''),
    );
    expect(status?.phase).to.equal('Accepted');
    letBoot();
    await machines().view.untilOS('os-sample', 'one is done', ({ status: now }) => now?.nodes?.updated === 1);
    expect(first.bootCount).to.equal((boots[0] ?? 0) + 1);
    await nothingIsLeft();
    expect((await phasesOf()).size, 'no other node has a plan').to.equal(0);
    const systems = Object.values(await machines().view.systems());
    expect(systems.filter(system => system === nameOf('1.0.3'))).to.have.length(1);
    await upgrade('1.0.3', { maxunavailable: 1 });
    await machines().untilAllRun('1.0.3');
    await machines().view.untilComplete('os-sample');
    expect(watcher.mostOut).to.equal(1);
    oneBootEach();
  });

  it('goes on when the controller is killed and agents are', async () => {
    machines().server.setFaults(pathOf('1.0.4'), { kind: 'slow', bytesPerSecond: 500_000 });
    await upgrade('1.0.4');
    await untilPhase('Downloading');
    await Promise.all([machines().worker(1), machines().worker(2)].map(({ agent }) => agent.kill('SIGKILL')));
    await machines().controller.kill();
    machines().controller = await startController(machines().cluster);
    await machines().untilAllRun('1.0.4');
    await machines().view.untilComplete('os-sample');
    oneBootEach();
  });

  it('gives way to a newer OSUpgrade of the same nodes, and takes them back when it is changed', async () => {
    const image = await partitionImage('1.0.6');
    machines().server.serve('/newer.zst', image.zstPath);
    const url = `${machines().server.url}/newer.zst`;
    const inline = JSON.stringify({
      images: [{ version: '1.0.6', url, checksum: image.checksum, flagSafe: true }],
    });
    await upgrade('1.0.5', { maxunavailable: 1 });
    await untilPhase('Rebooting');
    await machines().apply(
      JSON.stringify({
        apiVersion: 'monok8s.io/v1alpha1',
        kind: 'OSUpgrade',
        metadata: { name: 'newer' },
        spec: { version: '1.0.6', nodeSelector: POOL, maxUnavailable: 5, catalog: { inline } },
      }),
    );
    await machines().untilAllRun('1.0.6');
    await machines().view.untilOS('os-sample', 'says who owns its nodes', os =>
      hasCondition(os, 'Superseded'),
    );
    const newer = await machines().view.api.call<OSUpgrade>(
      'GET',
      '/apis/monok8s.io/v1alpha1/osupgrades/newer',
    );
    expect(newer.status?.phase).to.equal('Accepted');
    await nothingIsLeft();

    await upgrade('1.0.7');
    await machines().untilAllRun('1.0.7');
    await machines().view.untilComplete('os-sample');
    await machines().cluster.kubectl(['delete', 'osupgrade', 'newer']);
    expect([...(await phasesOf())]).to.deep.equal([]);
  });

  it('leaves nothing behind when it is deleted in the middle', async () => {
    const away = machines().worker(1);
    const letBoot = holdBoot(away);
    await upgrade('1.0.8', { maxunavailable: 1 });
    await untilPhase('Rebooting');
    machines().server.setFaults(pathOf('1.0.8'), { kind: 'stall', atBytes: 500_000 });
    await upgrade('1.0.8', { maxunavailable: 2 });
    await untilPhase('Downloading');
    await machines().cluster.kubectl(['delete', 'os', 'os-sample']);
    letBoot();
    await nothingIsLeft();
    const systems = Object.values(await machines().view.systems());
    expect(
      systems.filter(system => system === nameOf('1.0.8')),
      'what was away finishes',
    ).to.have.length(1);
  });

  it('gives way to a newer OS of the same nodes, and neither stands still', async () => {
    await upgrade('1.0.9');
    await upgrade('1.0.10', {}, 'os-newer');
    await machines().untilAllRun('1.0.10');
    await machines().view.untilComplete('os-newer');
    const { status } = await machines().view.untilOS('os-sample', 'says who owns its nodes', os =>
      hasCondition(os, 'Superseded'),
    );
    expect(JSON.stringify(status?.conditions)).to.contain('OS default/os-newer');
    await machines().cluster.kubectl(['delete', 'os', 'os-newer']);
    await machines().view.untilQuiet();
    expect([...(await phasesOf())], 'deleting a request never starts a change').to.deep.equal([]);
    expect(Object.values(await machines().view.systems())).to.not.include(nameOf('1.0.9'));
  });
});
