import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { ROOT } from '../../tools/lib/paths.mjs';
import type { EmulatedNode } from '../env/node/emulated-node.ts';
import { runProgram } from '../env/node/run-program.ts';
import { readUBoot } from '../env/node/uboot-node.ts';
import { eventually } from '../env/wait.ts';
import { NEW, OLD, useWorld } from './world.ts';

describe('a node that boots by U-Boot', function () {
  this.timeout(180_000);
  const world = useWorld();

  const start = (): Promise<EmulatedNode> =>
    world().node({ bootLoader: 'u-boot', agentConfig: { trialSeconds: 10 } });
  const variables = (node: EmulatedNode) => readUBoot(node.files.uBootConfig ?? '');
  const run = async (node: EmulatedNode, change: Parameters<ReturnType<typeof world>['plan']>[2] = {}) =>
    world().end(await world().plan(node.name, world().entry(), change));
  const settledOn = async (node: EmulatedNode, slot: 'A' | 'B') => {
    expect(node.bootedSlot).to.equal(slot);
    const found = await variables(node);
    expect(found).to.include({ boot_slot: slot, upgrade_available: '0', bootcount: '0' });
  };

  it('is upgraded, and rolled back', async () => {
    const node = await start();
    const upgraded = await run(node);
    expect([upgraded.phase, upgraded.currentVersion], upgraded.message).to.deep.equal(['Completed', NEW]);
    await settledOn(node, 'B');
    await node.assertBootsVersion(NEW);
    expect(await variables(node)).not.to.have.property('boot_slot_fallback');
    const rolledBack = await run(node, { kind: 'rollback', targetVersion: OLD });
    expect([rolledBack.phase, rolledBack.currentVersion], rolledBack.message).to.deep.equal([
      'Completed',
      OLD,
    ]);
    await settledOn(node, 'A');
    expect(node.bootCount).to.equal(3);
  });

  for (const [name, spoil, reason] of [
    ['whose new kernel cannot be loaded', node => node.faults.notLoadable.add('B'), 'TrialBootFailed'],
    ['whose new system panics', node => node.faults.panics.add('B'), 'TrialBootFailed'],
    ['whose new system never gets Ready', node => node.faults.neverReady.add('B'), 'TrialNotReady'],
  ] satisfies [string, (node: EmulatedNode) => unknown, string][])
    it(`${name} runs the old one again by itself`, async () => {
      const node = await start();
      spoil(node);
      const status = await run(node);
      expect([status.phase, status.failureReason], status.message).to.deep.equal(['RolledBack', reason]);
      await settledOn(node, 'A');
      await node.assertBootsVersion(OLD);
      expect((await node.bootLog()).join('\n')).to.match(/loading slot B[\s\S]*loading slot A/);
    });

  it('keeps the slot that a person had started once, as docs/u-boot.md tells', async () => {
    const node = await world().node({ bootLoader: 'u-boot', secondVersion: NEW });
    const [, script = ''] =
      /^# printf '(.*)' \| fw_setenv -s -$/m.exec(readFileSync(join(ROOT, 'docs/u-boot.md'), 'utf8')) ?? [];
    // The page goes from B to A.
    const lines = script.replace('boot_slot=A', 'boot_slot=B').replace('fallback=B', 'fallback=A');
    const file = join(node.dir, 'by-hand.txt');
    await writeFile(file, lines.replaceAll('\\n', '\n'));
    await runProgram('fw_setenv', '-c', node.files.uBootConfig ?? '', '-f', '/nowhere', '-s', file);
    await node.reboot();
    expect(node.bootedSlot).to.equal('B');
    await eventually(async () => (await variables(node)).upgrade_available === '0', {
      timeoutMs: 60_000,
      what: 'the agent keeps slot B',
    });
    await settledOn(node, 'B');
  });
});
