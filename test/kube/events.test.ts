import { expect } from 'chai';
import { TransientError } from '../../src/domain/errors.ts';
import { createKubeClient, type FullKubeClient } from '../../src/kube/client.ts';
import { loadConnection } from '../../src/kube/connection.ts';
import { createEventRecorder } from '../../src/kube/events.ts';
import { EVENTS, NODES } from '../../src/kube/resources.ts';
import { type Cluster, startCluster } from '../env/cluster.ts';
import { fakeTime, recordLog } from './help.ts';

const NODE = { apiVersion: 'v1', kind: 'Node', name: 'n1' };

describe('kube/events on a real API server', function () {
  this.timeout(60_000);
  let cluster: Cluster;
  let client: FullKubeClient;
  let uid: string;

  before(async () => {
    cluster = await startCluster({ name: 'kube-events', controllerManager: false, scheduler: false });
    client = createKubeClient(await loadConnection({ kubeconfig: cluster.adminKubeconfig }), {
      log: recordLog().log,
    });
    ({ uid } = await client.create(NODES, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } }));
  });
  after(async () => {
    await client?.close();
    await cluster?.stop();
  });

  const make = (over: FullKubeClient = client) => {
    const time = fakeTime();
    const recorded = recordLog();
    const recorder = createEventRecorder({
      ...{ client: over, component: 'os-controller', instance: 'pod-1', clock: time, timer: time },
      log: recorded.log,
    });
    return { recorder, time, ...recorded };
  };
  const written = async (reason: string) =>
    (await client.list(EVENTS, { namespace: 'default', fieldSelector: `reason=${reason}` })).map(
      ({ message, count, type }) => ({ message, count, type }),
    );

  it('are shown by kubectl describe and kubectl get events', async () => {
    const { recorder } = make();
    recorder.record({ ...NODE, uid }, 'Warning', 'Shown', 'look here');
    await recorder.flush();
    const described = (await cluster.kubectl(['describe', 'node', 'n1'])).stdout;
    expect(described).to.match(/Warning\s+Shown\s+.*os-controller\s+look here/);
    const got = (await cluster.kubectl(['get', 'events', '--field-selector=reason=Shown'])).stdout;
    expect(got).to.match(/Warning\s+Shown\s+node\/n1\s+look here/);
  });

  it('fold when they repeat within ten minutes of the last', async () => {
    const { recorder, time } = make();
    for (let i = 0; i < 3; i += 1) {
      recorder.record(NODE, 'Normal', 'Folded', 'again');
      await recorder.flush();
      await time.advance(500_000);
    }
    recorder.record(NODE, 'Normal', 'Folded', 'another message');
    await recorder.flush();
    expect(await written('Folded')).to.have.deep.members([
      { message: 'again', count: 3, type: 'Normal' },
      { message: 'another message', count: 1, type: 'Normal' },
    ]);
    await time.advance(700_000);
    recorder.record(NODE, 'Normal', 'Folded', 'again');
    await recorder.flush();
    expect(await written('Folded')).to.have.length(3);
  });

  it('fold in the queue too, so that a burst is one write', async () => {
    const { recorder } = make();
    for (let i = 0; i < 10; i += 1) recorder.record(NODE, 'Normal', 'Burst', 'same');
    await recorder.flush();
    const [one, ...rest] = await written('Burst');
    expect(rest).to.deep.equal([]);
    expect(one).to.deep.include({ count: 10 });
  });

  it('are written anew when the API server has forgotten the one to count up', async () => {
    const { recorder } = make();
    recorder.record(NODE, 'Normal', 'Forgotten', 'x');
    await recorder.flush();
    await cluster.kubectl(['delete', 'events', '--field-selector=reason=Forgotten']);
    recorder.record(NODE, 'Normal', 'Forgotten', 'x');
    await recorder.flush();
    expect(await written('Forgotten')).to.have.length(1);
  });

  it('are limited for each subject, so that a mistake of ours floods nobody', async () => {
    const { recorder, time } = make();
    const recordMany = async (count: number, text: string) => {
      for (let i = 0; i < count; i += 1) recorder.record(NODE, 'Normal', 'Flood', `${text} ${i}`);
      await recorder.flush();
    };
    await recordMany(100, 'first');
    expect(await written('Flood')).to.have.length(25);
    await time.advance(60_000);
    await recordMany(10, 'second');
    expect(await written('Flood')).to.have.length(27);
  });

  it('that tell of progress leave room for warnings: a large rollout must not hide what went wrong', async () => {
    const { recorder } = make();
    for (let i = 0; i < 50; i += 1) recorder.record(NODE, 'Normal', 'Progress', `node ${i}`);
    recorder.record(NODE, 'Warning', 'WentWrong', 'x');
    await recorder.flush();
    expect(await written('WentWrong')).to.have.length(1);
  });

  it('are tried again when the API server cannot take them now', async () => {
    let calls = 0;
    const create: FullKubeClient['create'] = (...args) => {
      calls += 1;
      return calls === 1
        ? Promise.reject(new TransientError('ApiUnreachable', 'gone'))
        : client.create(...args);
    };
    const { recorder, time } = make({ ...client, create });
    recorder.record(NODE, 'Normal', 'Retried', 'x');
    await time.advance(10_000);
    await recorder.flush();
    expect(await written('Retried')).to.have.length(1);
  });

  it('never throw and never hold up the end', async () => {
    const create = () => Promise.reject(new TransientError('ApiUnreachable', 'gone'));
    const { recorder, lines } = make({ ...client, create });
    for (let i = 0; i < 20; i += 1) recorder.record(NODE, 'Normal', 'Lost', `${i}`);
    await recorder.flush();
    expect(lines.filter(line => line.message === 'event not written')).to.have.length(1);
  });
});
