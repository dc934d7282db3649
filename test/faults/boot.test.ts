import { expect } from 'chai';
import { buildImage } from '../env/images.ts';
import type { EmulatedNode } from '../env/node/emulated-node.ts';
import type { NodeFaults } from '../env/node/node-faults.ts';
import { fault } from './rows.ts';
import { expectEnd, NEW, useWorld } from './world.ts';

describe('faults of a trial boot', function () {
  this.timeout(180_000);
  const world = useWorld();

  const rollsBack = async (
    spoil: (faults: NodeFaults) => void,
    reason: string,
    says: readonly (string | RegExp)[],
    change: Parameters<ReturnType<typeof world>['entry']>[0] = {},
  ): Promise<EmulatedNode> => {
    const node = await world().node({ agentConfig: { trialSeconds: 10 } });
    spoil(node.faults);
    const status = await world().end(await world().plan(node.name, world().entry(change)));
    await expectEnd(status, node, { phase: 'RolledBack', reason, says: [...says, 'retryNonce'] });
    expect(node.bootedSlot).to.equal('A');
    return node;
  };

  fault('entry cannot be loaded', async () => {
    const node = await rollsBack(faults => void faults.notLoadable.add('B'), 'TrialBootFailed', [NEW]);
    expect((await node.bootLog()).join('\n'), 'the default was tried only after B failed').to.match(
      /loading 'B'[\s\S]*error[\s\S]*loading 'A'/,
    );
  });

  fault('trial boot that panics', async () => {
    await rollsBack(faults => void faults.panics.add('B'), 'TrialBootFailed', [NEW]);
  });

  fault('trial boot that never gets Ready', async () => {
    await rollsBack(faults => void faults.neverReady.add('B'), 'TrialNotReady', [/Ready/]);
  });

  fault('trial boot that shows another version', async () => {
    // The image is right where it is looked at before the boot, and shows another version when it runs.
    await rollsBack(faults => void faults.shownVersion.set('B', '9.9.9'), 'TrialVersionMismatch', [
      '9.9.9',
      NEW,
    ]);
    // An image that is another version altogether is not even tried.
    const other = await buildImage({ version: 'v1.35.0' });
    world().server.serve('/other.zst', other.zstPath);
    const node = await world().node();
    const entry = world().entry({ url: `${world().server.url}/other.zst`, checksum: other.checksum });
    const status = await world().end(await world().plan(node.name, entry));
    await expectEnd(status, node, { phase: 'Failed', reason: 'VersionMismatch', says: ['1.35.0', NEW] });
    expect(node.bootCount).to.equal(1);
  });
});
