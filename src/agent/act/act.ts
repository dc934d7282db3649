import { unreachable } from '../../domain/errors.ts';
import type { Snapshot } from '../decide/snapshot.ts';
import type { Step } from '../decide/step.ts';
import type { AgentDeps } from '../deps.ts';
import { announceReboot, armAndReboot, reboot } from './reboot.ts';
import { finish, tell } from './report.ts';
import { abortStaging, stage, verifyStaged } from './staging.ts';
import {
  adoptTrial,
  checkHealth,
  clearFlag,
  commit,
  confirmLater,
  endTrial,
  fallBack,
  forgetTrial,
  keepManualBoot,
  noteDefault,
  reportTrial,
} from './trial.ts';

/** Look again at once. */
const AT_ONCE = 0;

/** Does one step. Resolves to the milliseconds after which to look again; nothing: when something changes. */
export async function act(deps: AgentDeps, step: Step, seen: Snapshot): Promise<number | undefined> {
  switch (step.type) {
    case 'idle':
      return undefined;
    case 'wait':
      return wait(deps, step, seen);
    case 'acknowledgeRetry':
      await deps.status.acknowledge(step.object);
      return AT_ONCE;
    case 'stage':
      return stage(deps, step, seen);
    case 'abortStaging':
      return abortStaging(deps);
    case 'verifyStaged':
      return verifyStaged(deps, step, seen);
    case 'finish':
      return finish(deps, step.task, step.outcome, seen);
    default:
      return actOnTrial(deps, step, seen);
  }
}

type TrialStep = Exclude<
  Step,
  { type: 'idle' | 'wait' | 'acknowledgeRetry' | 'stage' | 'abortStaging' | 'verifyStaged' | 'finish' }
>;

async function actOnTrial(deps: AgentDeps, step: TrialStep, seen: Snapshot): Promise<number | undefined> {
  switch (step.type) {
    case 'announceReboot':
      return announceReboot(deps, step, seen);
    case 'armAndReboot':
      return armAndReboot(deps, step.trial);
    case 'reboot':
      return reboot(deps, step.reason);
    case 'adoptTrial':
      return adoptTrial(deps, step.trial);
    case 'clearFlag':
      return clearFlag(deps, step.defaultSlot);
    case 'confirmLater':
      return confirmLater(deps, step, seen);
    case 'checkHealth':
      return checkHealth(deps, seen);
    case 'commit':
      return commit(deps, step.trial);
    case 'fallBack':
      return fallBack(deps, step, seen);
    case 'endTrial':
      return endTrial(deps, step.trial, step.outcome, seen);
    case 'reportTrial':
      return reportTrial(deps, step, seen);
    case 'forgetTrial':
      return forgetTrial(deps, step.trial, seen);
    case 'noteDefault':
      return noteDefault(deps, step.slot);
    case 'keepManualBoot':
      return keepManualBoot(deps, step.slot);
    default:
      return unreachable(step);
  }
}

async function wait(
  deps: AgentDeps,
  { task, note, retryInMs }: Extract<Step, { type: 'wait' }>,
  seen: Snapshot,
): Promise<number | undefined> {
  const heldBackMs = task && note ? await tell(deps, task, note, seen) : undefined;
  return heldBackMs === undefined ? retryInMs : Math.min(heldBackMs, retryInMs ?? heldBackMs);
}
