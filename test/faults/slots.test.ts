import { execFileSync } from 'node:child_process';
import { mkdtemp, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { needsRoot } from '../env/needs-root.ts';
import { fault } from './rows.ts';
import { expectEnd, OLD, useWorld } from './world.ts';

describe('faults of the slots', function () {
  this.timeout(120_000);
  const world = useWorld();

  fault('target slot mounted', async function () {
    needsRoot(this, 'mounting a slot');
    const node = await world().node({ secondVersion: 'v1.33.0' });
    const mountPoint = await mkdtemp(join(tmpdir(), 'twinslot-mount-'));
    execFileSync('mount', ['-o', 'loop,ro', node.files.slots.B, mountPoint]);
    try {
      const status = await world().end(await world().plan(node.name, world().entry()));
      await expectEnd(status, node, {
        phase: 'Failed',
        reason: 'SlotMounted',
        says: ['umount', 'retryNonce'],
      });
    } finally {
      execFileSync('umount', [mountPoint]);
      await rmdir(mountPoint);
    }
    expect((await node.slotOsRelease('B')).VERSION_ID, 'nothing was written').to.equal('1.33.0');
  });

  fault('three slots', async () => {
    const slots = { A: '/slots/a.img', B: '/slots/b.img', C: '/slots/c.img' };
    const node = await world().node({ agentConfig: { slots } });
    const status = await world().end(await world().plan(node.name, world().entry()));
    expect(status).to.include({ phase: 'Failed', failureReason: 'SlotCountUnsupported' });
    expect(status.message).to.match(/A, B,? (and )?C/);
    await node.assertBootsVersion(OLD);
    const { status: instance } = await world().get<{ status?: object }>('osinstance', node.name);
    expect(JSON.stringify(instance)).to.contain('SlotCountUnsupported');
  });
});
