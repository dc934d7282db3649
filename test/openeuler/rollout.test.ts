import { expect } from 'chai';
import { CORDONED_BY_ANNOTATION, type OSUpgrade } from '../../src/api/monok8s/index.ts';
import { CONFIGURING_LABEL, SERIAL_LABEL, UPGRADING_LABEL } from '../../src/api/openeuler/index.ts';
import { startController } from '../env/controller-process.ts';
import { eventually } from '../env/wait.ts';
import { hasCondition, useFarm } from './farm.ts';
import { nameOf, partitionImage } from './images.ts';
import { Watcher } from './watcher.ts';

const WORKERS = 5;
const POOL = { 'example.com/pool': 'workers' };

describe('a rollout of an OS object', function () {
  this.timeout(180_000);
  const farm = useFarm({ workers: WORKERS, worker: () => ({ labels: POOL }) });
  let watcher: Watcher;
  let boots: readonly number[];

  beforeEach(async () => {
    watcher = await Watcher.start(farm().cluster);
    boots = farm().workers.map(({ bootCount }) => bootCount);
  });
  afterEach(async () => {
    await watcher.stop();
    expect(watcher.breaches).to.deep.equal([]);
    expect(farm().controlPlane?.bootCount, 'the control-plane node is left alone').to.equal(1);
    await nothingIsLeft();
  });

  /** Scripts that were written for KubeOS see that the work is over. */
  const nothingIsLeft = async (): Promise<void> => {
    for (const { name } of farm().workers)
      await eventually(async () => (await leftOn(name)).length === 0, {
        timeoutMs: 10_000,
        what: `nothing is left of the work on ${name}`,
      }).catch(async error => expect.fail(`${error.message}: ${await leftOn(name)}`));
  };
  const leftOn = async (name: string): Promise<string[]> => {
    const { metadata, spec } = await farm().node(name);
    const instance = await farm().instance(name);
    const labels = [UPGRADING_LABEL, CONFIGURING_LABEL, SERIAL_LABEL];
    return [
      ...labels.filter(label => label in metadata.labels),
      ...Object.keys(metadata.annotations ?? {}).filter(key => key === CORDONED_BY_ANNOTATION),
      ...(spec.unschedulable === true ? ['cordoned'] : []),
      ...(instance.spec?.nodestatus === 'idle' ? [] : [`nodestatus ${instance.spec?.nodestatus}`]),
      ...(instance.spec?.namespacedname === undefined ? [] : ['namespacedname']),
    ];
  };
  const oneBootEach = (): void => {
    const now = farm().workers.map(({ bootCount }) => bootCount);
    expect(now).to.deep.equal(boots.map(count => count + 1));
  };
  /** Applies `os-sample` for a release of its own, with the fields that a test is about. */
  const upgrade = async (version: string, fields: object): Promise<void> => {
    const image = await partitionImage(version);
    farm().server.serve(`/${version}.zst`, image.zstPath);
    const spec = {
      imagetype: 'disk',
      opstype: 'upgrade',
      osversion: nameOf(version),
      imageurl: `${farm().server.url}/${version}.zst`,
      checksum: image.checksum,
      flagSafe: true,
      timeinterval: 0,
      ...fields,
    };
    const metadata = { name: 'os-sample' };
    await farm().apply(
      JSON.stringify({ apiVersion: 'upgrade.openeuler.org/v1alpha1', kind: 'OS', metadata, spec }),
    );
  };
  const phasesOf = async (): Promise<Map<string, string | undefined>> => {
    const working = (await farm().progresses()).map(
      ({ spec, status }) => [spec.nodeName, status?.phase] as const,
    );
    return new Map(working.filter(([, phase]) => phase !== 'Completed'));
  };
  const untilPhase = (phase: string): Promise<string> =>
    eventually(async () => [...(await phasesOf())].find(([, now]) => now === phase)?.[0], {
      timeoutMs: 60_000,
      everyMs: 50,
      what: `a node is ${phase}`,
    });

  it('never takes more nodes out of service than maxunavailable', async () => {
    await upgrade('1.1.0', { maxunavailable: 2 });
    await farm().untilAllRun('1.1.0');
    await farm().untilComplete('os-sample');
    expect(watcher.mostOut).to.equal(2);
    expect(watcher.mostAtWork).to.equal(2);
    expect(watcher.cordoned).to.have.members(farm().workers.map(({ name }) => name));
    oneBootEach();
    for (const { name } of farm().workers)
      expect(watcher.told.get(name), name).to.deep.equal(['idle', 'upgrade default/os-sample', 'idle']);
  });

  it('serial goes node by node through batches that are labelled', async () => {
    await upgrade('1.2.0', { maxunavailable: 2, executionmode: 'serial' });
    await farm().untilAllRun('1.2.0');
    await farm().untilComplete('os-sample');
    expect(watcher.mostOut).to.equal(1);
    expect(watcher.mostAtWork).to.equal(1);
    expect(watcher.mostInBatch).to.equal(2);
    oneBootEach();
  });

  it('a window that closes lets a node that is away come back, and begins nothing else', async () => {
    const first = farm().worker(1);
    first.faults.bootDelayMs = 4_000;
    await upgrade('1.3.0', { maxunavailable: 1, timewindow: window(-3_600_000, 3_600_000) });
    await untilPhase('Rebooting');
    await upgrade('1.3.0', { maxunavailable: 1, timewindow: window(-3_600_000, 1_500) });
    const { status } = await farm().untilOS('os-sample', 'waits for the window', ({ status: now }) =>
      JSON.stringify(now?.conditions).includes('WindowClosed'),
    );
    expect(status?.phase).to.equal('Accepted');
    await farm().untilOS('os-sample', 'one is done', ({ status: now }) => now?.nodes?.updated === 1);
    expect(first.bootCount).to.equal(boots[0] === undefined ? undefined : boots[0] + 1);
    await nothingIsLeft();
    expect((await phasesOf()).size, 'no other node has a plan').to.equal(0);
    expect(Object.values(await farm().systems()).filter(system => system === nameOf('1.3.0'))).to.have.length(
      1,
    );
    first.faults.bootDelayMs = 0;
    await upgrade('1.3.0', { maxunavailable: 1 });
    await farm().untilAllRun('1.3.0');
    await farm().untilComplete('os-sample');
    expect(watcher.mostOut).to.equal(1);
    oneBootEach();
  });

  it('goes on when the controller is killed and agents are', async () => {
    farm().server.setFaults('/1.4.0.zst', { kind: 'slow', bytesPerSecond: 500_000 });
    await upgrade('1.4.0', { maxunavailable: 5 });
    await untilPhase('Downloading');
    await Promise.all([farm().worker(1), farm().worker(2)].map(({ agent }) => agent.kill('SIGKILL')));
    await farm().controller.kill();
    farm().controller = await startController(farm().cluster);
    await farm().untilAllRun('1.4.0');
    await farm().untilComplete('os-sample');
    oneBootEach();
  });

  it('gives way to a newer OSUpgrade of the same nodes, and takes them back when it is changed', async () => {
    const image = await partitionImage('1.5.0');
    farm().server.serve('/newer.zst', image.zstPath);
    const url = `${farm().server.url}/newer.zst`;
    const inline = JSON.stringify({
      images: [{ version: '1.5.0', url, checksum: image.checksum, flagSafe: true }],
    });
    await upgrade('1.4.1', { maxunavailable: 1 });
    await untilPhase('Rebooting');
    await farm().apply(
      JSON.stringify({
        apiVersion: 'monok8s.io/v1alpha1',
        kind: 'OSUpgrade',
        metadata: { name: 'newer' },
        spec: { version: '1.5.0', nodeSelector: POOL, maxUnavailable: 5, catalog: { inline } },
      }),
    );
    await farm().untilAllRun('1.5.0');
    await farm().untilOS('os-sample', 'says who owns its nodes', os => hasCondition(os, 'Superseded'));
    const newer = await farm().get<OSUpgrade>('osupgrade', 'newer');
    expect(newer.status?.phase).to.equal('Accepted');
    await nothingIsLeft();

    await upgrade('1.5.1', { maxunavailable: 5 });
    await farm().untilAllRun('1.5.1');
    await farm().untilComplete('os-sample');
    await farm().cluster.kubectl(['delete', 'osupgrade', 'newer']);
    expect(await phasesOf()).to.deep.equal(new Map());
  });
});

/** A window around now in the controller's zone, which is ours. Offsets in milliseconds. */
function window(startsInMs: number, endsInMs: number): object {
  const shift = new Date().getTimezoneOffset() * -60_000;
  const at = (ms: number): string =>
    new Date(Date.now() + shift + ms).toISOString().slice(0, 19).replace('T', ' ');
  return { starttime: at(startsInMs), endtime: at(endsInMs) };
}
