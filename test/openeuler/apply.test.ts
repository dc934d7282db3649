import { expect } from 'chai';
import { NODE_SELECTOR_LABEL, type OS, type OSSpec } from '../../src/api/openeuler/index.ts';
import { startController } from '../env/controller-process.ts';
import { type Rsyslog, startRsyslog } from '../env/rsyslog.ts';
import { eventually } from '../env/wait.ts';
import { nameOf } from './images.ts';
import { FIRST, useMachines } from './machines.ts';
import { hasCondition, isSettled } from './machines-view.ts';
import { osObject, upgradeTo } from './requests.ts';

const WORKERS = 3;

describe('an OS object that is applied wrongly, again, or backwards', function () {
  this.timeout(120_000);
  const machines = useMachines({ workers: WORKERS });
  let log: Rsyslog;

  before(async () => {
    log = await startRsyslog(machines().worker(1).files.root);
  });
  after(() => log?.stop());

  const kubectl = (...args: string[]) => machines().cluster.kubectl(args);
  const specOf = (version: string): Promise<Partial<OSSpec>> => upgradeTo(machines(), version);
  const apply = (spec: object): Promise<void> => machines().apply(osObject(spec));
  const untilRejected = async (reason: string): Promise<OS> =>
    machines().view.untilOS(
      'os-sample',
      `is rejected for ${reason}`,
      os => isSettled(os) && os.status?.phase === 'Rejected' && os.status.reason === reason,
    );
  const untilFailed = (count: number): Promise<OS> =>
    machines().view.untilOS(
      'os-sample',
      `${count} nodes failed`,
      os => isSettled(os) && os.status?.nodes?.failed === count,
    );
  const bootCounts = (): number[] => machines().workers.map(({ bootCount }) => bootCount);
  const eventsOf = async (): Promise<string> =>
    (await kubectl('events', '--for', 'os.upgrade.openeuler.org/os-sample', '-n', 'default')).stdout;

  /** What was decided is decided again by a controller that knows nothing: whatever loops would go on now. */
  const nothingHappens = async (): Promise<void> => {
    const [requests, boots] = [machines().server.requests.length, bootCounts()];
    const before = JSON.stringify(await machines().view.progresses());
    await machines().controller.stop();
    machines().controller = await startController(machines().cluster);
    await machines().controller.untilLogged('caches filled');
    await kubectl('annotate', 'os', 'os-sample', `looked-at=${performance.now()}`, '--overwrite');
    await machines().view.untilQuiet();
    expect(machines().server.requests, 'nothing was fetched').to.have.length(requests);
    expect(bootCounts()).to.deep.equal(boots);
    expect(JSON.stringify(await machines().view.progresses())).to.equal(before);
  };

  it('http without flagSafe: nothing is fetched, and the node, its log and the object say why', async () => {
    await apply({ ...(await specOf('1.1.0')), flagSafe: false });
    const os = await untilFailed(WORKERS);
    expect(machines().server.requests).to.have.length(0);
    const degraded = os.status?.conditions?.find(({ type }) => type === 'Degraded');
    expect(degraded?.message).to.contain('InsecureAddress').and.contain('flagSafe: true');
    for (const { status } of await machines().view.progresses())
      expect(status).to.include({ phase: 'Failed', failureReason: 'InsecureAddress', attempt: 1 });
    await eventually(async () => /insecure/i.test(await log.messages()), {
      timeoutMs: 10_000,
      what: '/var/log/messages of the node says that the address is insecure',
    });
    expect(bootCounts()).to.deep.equal(Array(WORKERS).fill(1));
    await nothingHappens();
  });

  it('and upgrades when flagSafe is corrected', async () => {
    await apply(await specOf('1.1.0'));
    await machines().untilAllRun('1.1.0');
    await machines().view.untilComplete('os-sample');
  });

  it('does nothing when it is applied unchanged', async () => {
    await apply(await specOf('1.1.0'));
    await nothingHappens();
  });

  it('leaves nodes alone that run the version when another field changes', async () => {
    const { status: before } = await machines().view.os('os-sample');
    await apply({
      ...(await specOf('1.1.0')),
      maxunavailable: 1,
      imageurl: `${machines().server.url}/moved.zst`,
    });
    const { status } = await machines().view.untilComplete('os-sample');
    expect(status?.rollout).to.equal((before?.rollout ?? 0) + 1);
    await nothingHappens();
  });

  it('another major version is refused', async () => {
    const boots = bootCounts();
    await apply({ ...(await specOf('1.1.0')), osversion: 'KubeOS 2.0.0' });
    const { status } = await untilRejected('MajorVersionChange');
    expect(status?.message).to.contain('KubeOS 2.0.0').and.contain('KubeOS 1.1.0');
    expect(await eventsOf()).to.contain('MajorVersionChange');
    expect(bootCounts()).to.deep.equal(boots);
  });

  const MISTAKES: readonly { reason: string; change: object; says: string }[] = [
    { reason: 'MaxUnavailableInvalid', change: { maxunavailable: 0 }, says: 'spec.maxunavailable' },
    { reason: 'ChecksumInvalid', change: { checksum: 'abc' }, says: 'spec.checksum' },
    { reason: 'ImageTypeMissing', change: { imagetype: '' }, says: 'spec.imagetype' },
    { reason: 'ConfigUnsupported', change: { opstype: 'config' }, says: 'spec.opstype' },
    { reason: 'ConfigUnsupported', change: { sysconfigs: { version: '1' } }, says: 'spec.sysconfigs' },
    {
      reason: 'TimeWindowInvalid',
      change: { timewindow: { starttime: '1', endtime: '2' } },
      says: 'spec.timewindow',
    },
    { reason: 'CertificateInvalid', change: { imageurl: 'https://x/y', mtls: true }, says: 'spec.cacert' },
  ];
  for (const { reason, change, says } of MISTAKES)
    it(`${says} that is wrong is told as ${reason}`, async () => {
      await apply({ ...(await specOf('1.2.0')), ...change });
      const { status } = await untilRejected(reason);
      expect(status?.message).to.contain(says);
    });

  it('what can never be right is refused by kubectl', async () => {
    for (const change of [{ opstype: 'repair' }, { imagetype: 'tape' }, { executionmode: 'chaos' }]) {
      const args = ['apply', '-f', '-'];
      const stdin = osObject({ ...(await specOf('1.2.0')), ...change });
      const { code, stderr } = await machines().cluster.kubectl(args, { stdin, allowFailure: true });
      expect(code, stderr).to.equal(1);
      expect(stderr).to.contain(Object.keys(change)[0]);
    }
  });

  it('an image that is another version: one attempt, no boot, no loop', async () => {
    const boots = bootCounts();
    await apply({ ...(await specOf('1.2.0')), osversion: nameOf('1.2.1') });
    const { status } = await untilFailed(WORKERS);
    expect(hasCondition(await machines().view.os('os-sample'), 'Degraded')).to.equal(true);
    expect(JSON.stringify(status?.conditions)).to.contain('VersionMismatch');
    expect(bootCounts()).to.deep.equal(boots);
    await nothingHappens();
    expect((await machines().view.systems())[machines().worker(1).name]).to.equal(nameOf('1.1.0'));
  });

  it('a system that shows another version when it runs: rolled back once, no loop', async () => {
    const node = machines().worker(1);
    const boots = node.bootCount;
    const slot = node.bootedSlot === 'A' ? 'B' : 'A';
    node.faults.shownVersion.set(slot, '1.2.9');
    await kubectl('label', 'node', node.name, `${NODE_SELECTOR_LABEL}=odd`);
    await apply({ ...(await specOf('1.2.0')), nodeselector: 'odd' });
    await untilFailed(1);
    const [progress] = (await machines().view.progresses()).filter(
      ({ status }) => status?.phase === 'RolledBack',
    );
    expect(progress?.status).to.include({ failureReason: 'TrialVersionMismatch', attempt: 1 });
    expect(node.bootCount).to.equal(boots + 2);
    await nothingHappens();
    await node.assertBootsVersion('1.1.0');
    node.faults.shownVersion.clear();
    await kubectl('label', 'node', node.name, `${NODE_SELECTOR_LABEL}-`);
  });

  it('rolls back to the previous partition, and downloads nothing', async () => {
    await apply(await specOf('1.3.0'));
    await machines().untilAllRun('1.3.0');
    await machines().view.untilComplete('os-sample');
    const requests = machines().server.requests.length;
    await apply({ opstype: 'rollback', imagetype: '', osversion: nameOf('1.1.0'), maxunavailable: WORKERS });
    await machines().untilAllRun('1.1.0');
    await machines().view.untilComplete('os-sample');
    expect(machines().server.requests).to.have.length(requests);
    await nothingHappens();
  });

  it('a rollback to what the other partition does not hold is refused', async () => {
    const boots = bootCounts();
    await apply({ opstype: 'rollback', imagetype: '', osversion: nameOf(FIRST), maxunavailable: WORKERS });
    const { status } = await untilRejected('RollbackImpossible');
    expect(status?.message).to.contain(nameOf('1.3.0')).and.contain(nameOf(FIRST));
    expect(bootCounts()).to.deep.equal(boots);
  });

  it('rolls back to any version by its image', async () => {
    await apply(await specOf('1.0.5'));
    await machines().untilAllRun('1.0.5');
    await machines().view.untilComplete('os-sample');
  });
});
