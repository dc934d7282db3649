import { needsRoot } from '../env/needs-root.ts';
import { CASES } from './campaign/cases.ts';
import { type CampaignNodes, createNodes } from './campaign/nodes.ts';
import { runCase } from './campaign/run-case.ts';
import { startWorld, type World } from './world.ts';

/** The quick part of the campaign; `npm run test:machines` runs all of it. */
describe('machines that really reboot', function () {
  this.timeout(1_200_000);
  let world: World;
  let nodes: CampaignNodes;

  before(async function () {
    needsRoot(this, 'making the system of a machine');
    world = await startWorld('machines', { trialSeconds: 900 });
    nodes = createNodes(world);
  });
  after(() => world?.stop());

  for (const testCase of CASES.filter(({ isQuick }) => isQuick)) {
    it(`${testCase.title}: ${testCase.expected}`, async () => {
      const date = new Date().toISOString().slice(0, 10);
      const result = await runCase(testCase, { world, nodes, seed: 1, date, step: () => undefined });
      if (result.error) throw new Error(result.error);
    });
  }
});
