import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { NodePlan, OSUpgradeProgressStatus } from '../../src/api/monok8s/index.ts';
import type { OSInstance, SlotReport } from '../../src/api/openeuler/index.ts';
import { buildImage, type Image } from '../env/images.ts';
import type { EmulatedNode } from '../env/node/emulated-node.ts';
import { runProgram } from '../env/node/run-program.ts';
import { type Rsyslog, startRsyslog } from '../env/rsyslog.ts';
import { eventually } from '../env/wait.ts';
import { World } from '../faults/world.ts';

const FIRST = 'Demo OS 1.34.1';
const SECOND = 'KubeOS 2.0.0';
const INSTANCE = ['osinstance', 'node-1'] as const;
/** As upstream's os-proxy and operator leave it: no owner, settings with nothing in them. */
const UPSTREAM = {
  apiVersion: 'upgrade.openeuler.org/v1alpha1',
  kind: 'OSInstance',
  metadata: {
    name: 'node-1',
    namespace: 'default',
    labels: { 'upgrade.openeuler.org/osinstance-node': 'node-1' },
  },
  spec: {
    nodestatus: 'idle',
    namespacedname: null,
    sysconfigs: { version: '', configs: null },
    upgradeconfigs: {
      version: 'u1',
      configs: [{ model: 'm', configpath: '', contents: [{ key: 'k', value: null }] }],
    },
  },
};
const SETTINGS = {
  sysconfigs: { version: 's1' },
  upgradeconfigs: { version: 'u1', configs: [{ model: 'm' }] },
};

describe('plans of OS objects, on a node with a system logger', function () {
  this.timeout(180_000);
  let world: World;
  let node: EmulatedNode;
  let rsyslog: Rsyslog;
  let second: Image;

  before(async () => {
    // The version number is the same, so that only the name tells the two apart.
    second = await buildImage({ version: 'v1.34.1', prettyName: SECOND });
    world = await World.start();
    world.server.serve('/second', second.zstPath);
    rsyslog = await startRsyslog(join(world.cluster.dir, 'node-1/root'));
    await world.apply(UPSTREAM);
    const status = JSON.stringify({ status: SETTINGS });
    await world.cluster.kubectl(['patch', ...INSTANCE, '--subresource=status', '--type=merge', '-p', status]);
    node = await world.node();
  });
  after(async () => {
    await rsyslog?.stop();
    await world?.stop();
  });

  const image = (changes: NonNullable<NodePlan['image']> = {}) => ({
    url: `${world.server.url}/second`,
    checksum: second.checksum,
    flagSafe: true,
    ...changes,
  });
  const plan = (changes: Partial<NodePlan>) =>
    world.plan(node.name, {}, { versionField: 'PRETTY_NAME', targetVersion: SECOND, ...changes });
  const openGate = (name: string) => {
    const patch = JSON.stringify({ spec: { plan: { gate: { state: 'Open', attempt: 1 } } } });
    return world.cluster.kubectl(['patch', 'osupgradeprogress', name, '--type=merge', '-p', patch]);
  };
  const end = (name: string): Promise<OSUpgradeProgressStatus> => world.end(name);
  const chain = ({ history }: OSUpgradeProgressStatus) => history?.map(({ phase }) => phase);
  const slotB = async () =>
    createHash('sha256')
      .update(await readFile(node.files.slots.B))
      .digest('hex');
  const shown = async (booted: SlotReport['name'], names: readonly [a: string, b: string]): Promise<void> => {
    const want = (['A', 'B'] as const).map((name, index) => ({
      name,
      booted: name === booted,
      default: name === booted,
      prettyName: names[index],
    }));
    let seen: unknown;
    const isShown = async () => {
      const { status } = await world.get<OSInstance>(...INSTANCE);
      seen = status?.slots?.map(({ version: _, ...slot }) => slot);
      return JSON.stringify(seen, ['name', 'booted', 'default', 'prettyName']) === JSON.stringify(want);
    };
    await eventually(isShown, { timeoutMs: 60_000, what: 'the OSInstance shows the slots' }).catch(error => {
      expect(seen).to.deep.equal(want);
      throw error;
    });
  };

  it('an OSInstance that upstream made is taken over: its settings stay, its spec and owners too', async () => {
    await shown('A', [FIRST, '']);
    const { status, spec, metadata } = await world.get<OSInstance>(...INSTANCE);
    expect(status).to.deep.include(SETTINGS);
    expect(spec.nodestatus).to.equal('idle');
    expect(metadata.ownerReferences).to.equal(undefined);
  });

  it('an address that is not flagged safe is not asked for anything, and the log of the node says why', async () => {
    const [before, connections] = [await slotB(), world.server.connections];
    const name = await plan({ image: image({ flagSafe: false }) });
    const status = await end(name);
    expect([chain(status), status.failureReason]).to.deep.equal([['Pending', 'Failed'], 'InsecureAddress']);
    expect(world.server.connections).to.equal(connections);
    expect(await slotB()).to.equal(before);
    const lines = async () =>
      (await rsyslog.messages()).split('\n').filter(line => line.includes('InsecureAddress'));
    await eventually(async () => (await lines()).length > 0, {
      timeoutMs: 60_000,
      what: 'messages tells it',
    });
    const [line] = await lines();
    expect(line)
      .to.match(/ node-agent\[\d+\]: InsecureAddress: /)
      .and.to.contain(`the address ${world.server.url}/second is insecure`)
      .and.to.contain('flagSafe')
      .and.to.contain(name);
  });

  for (const [what, given, reason] of [
    [
      'both an address and a reference',
      { url: 'https://h/i', reference: 'a/b:c', checksum: 'sha256:1' },
      'ImageAmbiguous',
    ],
    ['an address without checksum', { url: 'https://h/i' }, 'ChecksumInvalid'],
    ['a reference that is none', { reference: 'https://h/i' }, 'ReferenceInvalid'],
  ] as const)
    it(`${what} is refused by name`, async () => {
      const { failureReason, history } = await end(await plan({ image: given }));
      expect([failureReason, chain({ history: history ?? [] })]).to.deep.equal([
        reason,
        ['Pending', 'Failed'],
      ]);
    });

  it('a node whose version number is the same, but whose name is not, is upgraded', async () => {
    const status = await end(await plan({ image: image() }));
    expect(status).to.include({ phase: 'Completed', currentVersion: SECOND, targetVersion: SECOND });
    await shown('B', [FIRST, SECOND]);
  });

  it('asked for again, nothing is done', async () => {
    const boots = node.bootCount;
    const status = await end(await plan({ image: image() }));
    expect([chain(status), node.bootCount]).to.deep.equal([['Pending', 'Completed'], boots]);
  });

  it('right after the upgrade, a rollback boots the other slot and downloads nothing', async () => {
    const requests = world.server.requests.length;
    const status = await end(await plan({ kind: 'rollback', targetVersion: FIRST, image: undefined }));
    expect(chain(status)).to.deep.equal(['Pending', 'Staged', 'Rebooting', 'Confirming', 'Completed']);
    expect(status).to.include({ currentVersion: FIRST, targetVersion: FIRST, failureReason: '' });
    expect(world.server.requests.length).to.equal(requests);
    await shown('A', [FIRST, SECOND]);
  });

  it('a rollback to what the other slot does not hold is refused, and tells what it holds', async () => {
    const [before, boots] = [await slotB(), node.bootCount];
    const status = await end(await plan({ kind: 'rollback', targetVersion: 'KubeOS 0.9', image: undefined }));
    expect([chain(status), status.failureReason]).to.deep.equal([['Pending', 'Failed'], 'VersionMismatch']);
    expect(status.message)
      .to.contain(`"${SECOND}"`)
      .and.to.contain('KubeOS 0.9')
      .and.not.to.contain('catalog');
    expect([await slotB(), node.bootCount]).to.deep.equal([before, boots]);
  });

  it('a rollback whose slot somebody writes to, while it waits for the drain, is not booted', async () => {
    const boots = node.bootCount;
    const closed = { state: 'Closed', attempt: 1, reason: '', message: '' } as const;
    const name = await plan({ kind: 'rollback', image: undefined, gate: closed });
    await world.until(name, 'is staged', ({ phase }) => phase === 'Staged');
    await runProgram('tune2fs', '-L', 'mine', node.files.slots.B);
    await openGate(name);
    const status = await end(name);
    expect([status.phase, status.failureReason]).to.deep.equal(['Failed', 'SlotChanged']);
    expect(node.bootCount).to.equal(boots);
  });

  it('a rollback of the rollback', async () => {
    await runProgram('tune2fs', '-L', 'ROOT-B', node.files.slots.B);
    const status = await end(await plan({ kind: 'rollback', image: undefined }));
    expect(status).to.include({ phase: 'Completed', currentVersion: SECOND });
    await shown('B', [FIRST, SECOND]);
  });

  it('nothing that it ever said is advice for the other API', async () => {
    const messages = await rsyslog.messages();
    expect(messages).not.to.contain('spec.catalog').and.not.to.contain('spec.version');
    expect(messages).not.to.contain('NaN');
  });
});
