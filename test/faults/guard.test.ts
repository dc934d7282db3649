import { expect } from 'chai';
import type { OSUpgradeProgressStatus } from '../../src/api/monok8s/index.ts';
import { ScriptWorld } from '../agent/guard/script-world.ts';
import { buildImage } from '../env/images.ts';
import { needsRoot } from '../env/needs-root.ts';
import type { EmulatedNode } from '../env/node/emulated-node.ts';
import { runProgram } from '../env/node/run-program.ts';
import { fault } from './rows.ts';
import { expectEnd, NEW, useWorld } from './world.ts';

/** The time of the plan's trial and the guard's own. */
const LIMIT_SECONDS = 30 + 120;

describe('trials that a guard in the slot ends', function () {
  this.timeout(180_000);
  const world = useWorld();
  let machine: ScriptWorld;
  before(function () {
    needsRoot(this, 'mounting a slot');
  });
  beforeEach(async () => {
    machine = await ScriptWorld.make();
  });
  afterEach(() => machine.remove());

  /** Begins to upgrade a node to an image that can be guarded. */
  const upgrade = async (): Promise<{ node: EmulatedNode; name: string }> => {
    const image = await buildImage({ version: NEW, systemd: true });
    const { server } = world();
    server.serve('/guarded.zst', image.zstPath);
    const node = await world().node();
    const entry = world().entry({ url: `${server.url}/guarded.zst`, checksum: image.checksum });
    return { node, name: await world().plan(node.name, entry) };
  };

  /** Lets the guard in slot B run, on a machine that has been up nearly as long as the trial may last. */
  const runGuard = async (node: EmulatedNode): Promise<'inert' | 'rebooted'> => {
    const path = '/usr/lib/systemd/twinslot-trial-guard.sh';
    const script = await runProgram('debugfs', '-R', `cat ${path}`, node.files.slots.B);
    await machine.start(LIMIT_SECONDS - 5);
    return machine.runFound(script, node.files.root);
  };

  const unguarded = (status: OSUpgradeProgressStatus) =>
    status.conditions?.find(({ type }) => type === 'TrialUnguarded')?.status;

  fault('trial boot whose agent never starts', async () => {
    const { node, name } = await upgrade();
    node.agent.restarts = false;
    node.faults.neverReady.add('B');
    await node.waitForBoot(2);
    await node.agent.kill('SIGKILL');
    await machine.program(
      'systemctl',
      'case "$*" in --failed*) echo var.mount ;; *reboot*) kill -9 "$MAIN" ;; esac',
    );
    expect(await runGuard(node)).to.equal('rebooted');
    node.agent.restarts = true;
    await node.reboot();
    const status = await world().end(name);
    await expectEnd(status, node, {
      phase: 'RolledBack',
      reason: 'TrialNotConfirmed',
      says: ['var.mount', 'retryNonce'],
    });
    expect(unguarded(status)).to.equal('False');
  });

  fault('guard of a slot that has become the default', async () => {
    const { node, name } = await upgrade();
    expect(await world().end(name)).to.include({ phase: 'Completed' });
    await runProgram('e2fsck', '-fn', node.files.slots.B);
    expect(await runGuard(node)).to.equal('inert');
    // By the word of the agent alone, too.
    await runProgram('grub-editenv', node.files.grubEnvironment, 'set', 'saved_entry=rescue');
    expect(await runGuard(node)).to.equal('inert');
  });
});
