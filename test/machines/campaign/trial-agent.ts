import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT } from '../../../tools/lib/paths.mjs';
import { pauseImage } from '../tree/persist.ts';
import { systemTree } from '../tree/system-tree.ts';
import { unitText } from '../tree/units.ts';
import { countsOf, type Flaw, tryBroken, untilFallenBack } from './broken.ts';
import type { MachineCase } from './case.ts';
import { ACTED, guarded, isEndedByGuard } from './trial-guarded.ts';

const CONTAINERD = join(ROOT, 'test/machines/tree/files/etc/containerd/config.toml');

/** Changes what every container starts with, so that Node.js refuses to start. */
const RUNC_WITH_A_FLAW = `#!/bin/sh
before=
for word in "$@"; do
  [ "$before" = --bundle ] &&
    sed -i 's/"NODE_OPTIONS=[^"]*"/"NODE_OPTIONS=--unknown-to-node"/' "$word/config.json"
  before=$word
done
exec /usr/sbin/runc "$@"
`;

/** Systems in which a kubelet runs, and our agent does not. */
export const TRIAL_AGENT: readonly MachineCase[] = [
  guarded('agent-image-missing', "the agent's image is not there", async context => {
    const trial = await tryBroken(context, await withOtherImages());
    const { node, before } = trial;
    await trial.request.until(['Rebooting']);
    const since = countsOf(node);
    const view = await node.untilReady({ notBootId: before.view.bootId });
    context.note(`meanwhile the node is Ready with ${view.osImage}`);
    await untilFallenBack(context, trial, { reason: /^TrialNotConfirmed$/, shows: ACTED }, since);
    // Its image is as it was, for both slots share what the old one's runtime has.
    await node.untilAgentRuns();
  }),
  guarded('agent-crashes', 'the agent crashes', async context => {
    const path = 'usr/local/sbin/runc';
    await isEndedByGuard(context, { files: { [path]: RUNC_WITH_A_FLAW }, executable: [path] });
  }),
];

/** A container runtime whose images lie elsewhere: it has what pods need to begin with, and no image of ours. */
async function withOtherImages(): Promise<Flaw> {
  const config = await readFile(CONTAINERD, 'utf8');
  const { path: pause } = await pauseImage(await systemTree());
  const start = unitText({
    Service: { ExecStartPost: '/usr/bin/ctr -n k8s.io images import /usr/share/pause.tar' },
  });
  return {
    files: {
      'etc/containerd/config.toml': `root = "/var/lib/containerd-of-its-own"\n${config}`,
      'etc/systemd/system/containerd.service.d/images.conf': start,
      'usr/share/pause.tar': await readFile(pause),
    },
  };
}
