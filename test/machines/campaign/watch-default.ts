import { ok, strictEqual } from 'node:assert/strict';
import { eventually } from '../../env/wait.ts';
import type { MachineNode } from '../machine-node.ts';
import type { AppliedRequest } from '../requests.ts';
import { readRunningEnvironment } from '../running.ts';
import { holdConfirmation } from './holds.ts';
import type { Before } from './steps.ts';

const TRIAL_MS = 300_000;

/**
 * Looks at GRUB's environment from the first moment of the trial on: the old slot is the default until the node is Ready
 * and healthy in the new system, which it is only after it was looked at. Call it before the reboot.
 * @returns what was seen, for the report
 */
export async function watchDefault(
  node: MachineNode,
  request: AppliedRequest,
  before: Before,
): Promise<string> {
  const boots = node.machine.boots.length;
  const hold = await holdConfirmation(node);
  // What the request fails by is told by whoever waits for it.
  await node.machine.untilBoot(boots + 1, 600_000);
  const phases: string[] = [];
  let looks = 0;
  await eventually(
    async () => {
      const { booted, environment } = await readRunningEnvironment(node);
      ok(environment.has('next_entry'), 'the boot partition is mounted');
      // Without it GRUB takes the first entry.
      const saved = environment.get('saved_entry') || 'A';
      if (saved !== before.booted) return saved === booted;
      strictEqual(environment.get('next_entry') ?? '', '', 'GRUB has emptied the flag');
      looks += 1;
      const phase = (await request.progress())?.status?.phase ?? '';
      if (!phases.includes(phase)) phases.push(phase);
      if (phase === 'Confirming') await hold.release();
      return false;
    },
    // Programs take long to start on an emulated machine that is busy with its boot.
    { timeoutMs: TRIAL_MS, everyMs: 1000, what: `the new slot of ${node.name} is the default` },
  );
  ok(phases.includes('Confirming'), `the trial was seen while the old slot was the default: ${phases}`);
  const view = await node.view();
  ok(
    view.isReady && view.bootId !== before.view.bootId,
    'the new slot became the default before the node was Ready',
  );
  return `saved_entry stayed ${before.booted} in ${looks} looks at the trial (${phases.join(', ')})`;
}
