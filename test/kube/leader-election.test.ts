import { expect } from 'chai';
import { type Clock, systemClock } from '../../src/domain/clock.ts';
import { reasonOf } from '../../src/domain/errors.ts';
import { createKubeClient, type FullKubeClient } from '../../src/kube/client.ts';
import { type Connection, loadConnection } from '../../src/kube/connection.ts';
import { runWithLeadership } from '../../src/kube/leader-election.ts';
import { LEASES } from '../../src/kube/resources.ts';
import type { Leadership } from '../../src/kube/types.ts';
import { type Cluster, startCluster } from '../env/cluster.ts';
import { eventually } from '../env/wait.ts';
import { errorOf, type RecordedLog, recordLog, startProxy, type TcpProxy } from './help.ts';

const NAMESPACE = 'default';
// The real proportions, five times as fast.
const TIMING = { leaseMs: 3000, renewMs: 2000, retryMs: 400 };

interface Candidate extends RecordedLog {
  readonly stop: AbortController;
  readonly ended: Promise<void>;
  /** Monotonic times at which work began and ended. */
  readonly works: { beganMs: number; abortedMs?: number; endedMs?: number }[];
  leadership?: Leadership;
}

describe('kube/leader-election on a real API server', function () {
  this.timeout(60_000);
  let cluster: Cluster;
  let proxy: TcpProxy;
  let connection: Connection;
  let client: FullKubeClient;
  let distant: FullKubeClient;
  let lease = 0;
  const candidates: Candidate[] = [];

  before(async () => {
    cluster = await startCluster({ name: 'kube-leader', controllerManager: false, scheduler: false });
    proxy = await startProxy(cluster.serverUrl);
    connection = await loadConnection({ kubeconfig: cluster.adminKubeconfig });
    client = createKubeClient(connection, { log: recordLog().log });
    distant = createKubeClient({ ...connection, server: proxy.url }, { log: recordLog().log });
  });
  beforeEach(() => {
    lease += 1;
  });
  afterEach(async () => {
    proxy.blackhole(false);
    proxy.cut();
    const all = candidates.splice(0);
    for (const candidate of all) candidate.stop.abort();
    await Promise.allSettled(all.map(candidate => candidate.ended));
  });
  after(async () => {
    await client?.close();
    void distant?.close();
    await proxy?.close();
    await cluster?.stop();
  });

  const ref = () => ({ name: `lease-${lease}`, namespace: NAMESPACE });
  const read = async () => {
    const found = await client.get(LEASES, ref());
    if (!found) throw new Error('there is no lease');
    return found;
  };

  interface StandOptions {
    over?: FullKubeClient;
    clock?: Clock;
    /** What the work needs to end after its signal. */
    endsInMs?: number;
    fails?: boolean;
  }

  function stand(
    identity: string,
    { over = client, clock = systemClock, endsInMs = 0, fails }: StandOptions = {},
  ) {
    const recorded = recordLog();
    const works: Candidate['works'] = [];
    const stop = new AbortController();
    const options = {
      ...{ client: over, clock, log: recorded.log, random: Math.random, identity },
      ...{ leaseName: ref().name, namespace: NAMESPACE, ...TIMING },
    };
    const work = async (leadership: Leadership, signal: AbortSignal) => {
      const entry: Candidate['works'][number] = { beganMs: performance.now() };
      works.push(entry);
      candidate.leadership = leadership;
      if (fails) throw new Error('work is broken');
      if (!signal.aborted) await new Promise(resolve => signal.addEventListener('abort', resolve));
      entry.abortedMs = performance.now();
      await new Promise(resolve => setTimeout(resolve, endsInMs));
      entry.endedMs = performance.now();
    };
    const candidate: Candidate = {
      ...recorded,
      works,
      stop,
      ended: runWithLeadership(options, work, stop.signal),
    };
    candidate.ended.catch(() => undefined);
    candidates.push(candidate);
    return candidate;
  }

  const untilLeading = (candidate: Candidate, times = 1) =>
    eventually(() => candidate.works.length >= times && candidate.works[times - 1], {
      what: 'it leads',
      timeoutMs: 15_000,
      everyMs: 10,
    });

  it('lets one of two work, and renews its lease', async () => {
    const [a, b] = [stand('a'), stand('b')];
    await eventually(() => a.works.length + b.works.length > 0, { what: 'one leads', timeoutMs: 5000 });
    const leader = a.works.length > 0 ? a : b;
    const first = await read();
    await new Promise(resolve => setTimeout(resolve, TIMING.leaseMs * 1.5));
    expect(a.works.length + b.works.length).to.equal(1);
    const later = await read();
    expect(later.holder).to.equal(leader === a ? 'a' : 'b');
    expect(later.resourceVersion).to.not.equal(first.resourceVersion);
    expect(leader.leadership?.remainingMs()).to.be.within(1, TIMING.leaseMs);
  });

  it('renews while its work comes to an end, releases the lease, and the successor starts at once', async () => {
    const a = stand('a', { endsInMs: TIMING.leaseMs * 1.2 });
    await untilLeading(a);
    const b = stand('b');
    await eventually(() => b.lines.length > 0, { what: 'b waits', timeoutMs: 5000 });
    a.stop.abort();
    await a.ended;
    const endedMs = performance.now();
    const { beganMs } = await untilLeading(b);
    expect(a.works[0]?.endedMs).to.be.below(beganMs);
    expect(beganMs - endedMs).to.be.below(TIMING.retryMs * 2.5);
    expect(await read()).to.deep.include({ holder: 'b', transitions: 1 });
    const messages = a.lines.map(line => line.message);
    expect(messages).to.deep.equal(['leadership acquired', 'leadership released']);
  });

  it('stops the work of a holder that is cut off, before another one starts', async () => {
    const a = stand('a', { over: distant });
    await untilLeading(a);
    const b = stand('b');
    await new Promise(resolve => setTimeout(resolve, TIMING.renewMs));
    proxy.blackhole(true);
    const { beganMs } = await untilLeading(b);
    const [cutOff] = a.works;
    expect(cutOff?.abortedMs).to.be.below(beganMs);
    expect(cutOff?.endedMs).to.be.below(beganMs);
    // Most of what renewMs leaves of the lease is there for ending the work.
    expect(beganMs - (cutOff?.abortedMs ?? 0)).to.be.above((TIMING.leaseMs - TIMING.renewMs) / 2);
    expect(a.leadership?.remainingMs()).to.equal(0);
    if (a.leadership) expect(reasonOf(await errorOf(a.leadership.renew()))).to.equal('LeadershipLost');
    proxy.blackhole(false);
    proxy.cut();
    b.stop.abort();
    await untilLeading(a, 2);
  });

  it('knows after a pause that its time is over, without asking anyone', async () => {
    let pausedMs = 0;
    const clock: Clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + pausedMs };
    const a = stand('a', { clock });
    await untilLeading(a);
    expect(a.leadership?.remainingMs()).to.be.above(0);
    pausedMs = TIMING.leaseMs;
    expect(a.leadership?.remainingMs()).to.equal(0);
    await eventually(() => a.works[0]?.endedMs !== undefined, {
      what: 'the work is stopped',
      timeoutMs: 5000,
    });
  });

  it('judges a lease by what it sees, not by the clock of its holder', async () => {
    const hoursAway = 7_200_000;
    await client.create(LEASES, {
      metadata: ref(),
      spec: {
        holderIdentity: 'dead',
        leaseDurationSeconds: 3,
        renewTime: new Date(Date.now() - hoursAway).toISOString().replace('Z', '000Z'),
      },
    });
    const startMs = performance.now();
    const a = stand('a');
    const { beganMs } = await untilLeading(a);
    expect(beganMs - startMs).to.be.within(2990, 5000);
  });

  it('renews on demand, once for all who ask, and says how long the lease is surely ours', async () => {
    let patches = 0;
    const patch: FullKubeClient['patch'] = (...args) => {
      patches += 1;
      return client.patch(...args);
    };
    const a = stand('a', { over: { ...client, patch } });
    await untilLeading(a);
    const { leadership } = a;
    if (!leadership) throw new Error('no leadership');
    await eventually(() => leadership.remainingMs() < TIMING.leaseMs - 400, {
      what: 'it aged',
      timeoutMs: 5000,
      everyMs: 5,
    });
    patches = 0;
    const left = await Promise.all([leadership.renew(), leadership.renew(), leadership.renew()]);
    expect(patches).to.equal(1);
    for (const ms of left) expect(ms).to.be.within(TIMING.leaseMs - 300, TIMING.leaseMs);
    await leadership.renew();
    expect(patches).to.equal(1);
  });

  it('goes on when an answer to its renewal was lost', async () => {
    let lost = 0;
    const patch: FullKubeClient['patch'] = async (...args) => {
      const answer = await client.patch(...args);
      lost += 1;
      if (lost === 1) throw new Error('the answer was lost');
      return answer;
    };
    const a = stand('a', { over: { ...client, patch } });
    await untilLeading(a);
    await eventually(() => lost >= 3, { what: 'it renewed again', timeoutMs: 10_000 });
    expect(a.works).to.have.length(1);
    expect(a.works[0]).to.not.have.property('abortedMs');
  });

  it('stops when another one holds the lease', async () => {
    const a = stand('a');
    await untilLeading(a);
    const body = { spec: { holderIdentity: 'thief', leaseDurationSeconds: 60 } };
    await client.patch(LEASES, ref(), { type: 'merge', body });
    await eventually(() => a.works[0]?.endedMs !== undefined, {
      what: 'the work is stopped',
      timeoutMs: 5000,
    });
    await eventually(() => a.lines.some(line => line.holder === 'thief'), {
      what: 'it waits',
      timeoutMs: 5000,
    });
    expect((await read()).holder).to.equal('thief');
  });

  it('passes an error of the work on, and releases the lease', async () => {
    const a = stand('a', { fails: true });
    expect(await errorOf(a.ended)).to.have.property('message', 'work is broken');
    expect((await read()).holder).to.equal('');
  });
});
