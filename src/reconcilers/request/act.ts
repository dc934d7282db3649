import { type NodePlan, type OSUpgradeProgress, ROLLOUT_ANNOTATION } from '../../api/monok8s/index.ts';
import { SERIAL_LABEL } from '../../api/openeuler/index.ts';
import { toTimestamp } from '../../domain/clock.ts';
import { reasonOf, TransientError } from '../../domain/errors.ts';
import { mergePatchOf } from '../../domain/merge-patch.ts';
import type { NodeState } from '../../domain/node-state.ts';
import type { AnyStatus, Request, Target } from '../../domain/request.ts';
import { progressNameOf, rolloutMark } from '../../domain/rollout-key.ts';
import type { NodeVerdict } from '../../domain/verdict.ts';
import { OSES, OSUPGRADE_PROGRESSES, OSUPGRADES } from '../../kube/resources.ts';
import type { ControllerContext } from '../context.ts';
import { withinLease } from '../lease-guard.ts';
import { markNode } from '../mark-node.ts';
import { announce, subjectOf } from './announce.ts';
import type { RequestDecision } from './decision.ts';
import type { Expectations } from './expectations.ts';
import { planOf, progressBody, refusedPlan } from './plan-body.ts';

/**
 * Writes what was decided, the status first: it pins the image that the plans carry. What has changed is told at once, as
 * the writes after it may fail, and the next look finds the status as it is.
 */
export async function carryOut(
  context: ControllerContext,
  expectations: Expectations,
  request: Request,
  { decision, target }: { readonly decision: RequestDecision; readonly target: Target | undefined },
): Promise<void> {
  await writeStatus(context, request, decision.status);
  announce(context, request, decision.status, target);
  const { rollout = 0 } = decision.status;
  for (const { progress, reason, message } of decision.refused) {
    const since = toTimestamp(context.clock.nowMs());
    const plan = refusedPlan(target, rollout, { reason, message, since });
    await adopt(context, expectations, { request, plan, progress });
    context.log.warn('object made by hand refused', {
      progress: progress.metadata.name,
      reason,
      detail: message,
    });
  }
  const mark = rolloutMark(request.metadata.uid, rollout);
  for (const node of decision.unmarked)
    await markNode(context, node, { annotations: { [ROLLOUT_ANNOTATION]: mark } });
  // As upstream's scripts see which nodes are in the batch.
  for (const { node, isInBatch } of decision.turns)
    await markNode(context, node, { labels: { [SERIAL_LABEL]: isInBatch ? '' : null } });
  if (target === undefined) return;
  const plan = planOf(target, rollout);
  for (const verdict of decision.plans) await givePlan(context, expectations, { request, plan, verdict });
}

async function writeStatus(
  context: ControllerContext,
  { kind, metadata, status: before }: Request,
  status: AnyStatus,
): Promise<void> {
  const change = mergePatchOf(before ?? {}, status);
  if (change === undefined) return;
  const { uid, resourceVersion } = metadata;
  const body = { metadata: { uid, resourceVersion }, status: change };
  const bounds = { signal: context.signal };
  const patch = { type: 'merge' as const, body };
  const patched =
    kind === 'OS'
      ? context.client.patchStatus(OSES, metadata, patch, bounds)
      : context.client.patchStatus(OSUPGRADES, metadata, patch, bounds);
  const written = await patched;
  context.ownWrites.note(uid, resourceVersion, written.metadata.resourceVersion);
}

interface PlanToGive {
  readonly request: Request;
  readonly plan: NodePlan;
  readonly verdict: NodeVerdict;
}

async function givePlan(
  context: ControllerContext,
  expectations: Expectations,
  { request, plan, verdict: { node, handMade } }: PlanToGive,
): Promise<void> {
  const name =
    handMade?.metadata.name ?? (await createProgress(context, expectations, { request, plan, node }));
  if (handMade !== undefined) await adopt(context, expectations, { request, plan, progress: handMade });
  context.log.info('plan given to node', { request: request.title, node: node.name, progress: name });
  context.events.record(
    subjectOf(request),
    'Normal',
    'PlanCreated',
    `${node.name} is to run ${plan.targetVersion}: ${name}`,
  );
}

const NAME_DIGITS = [7, 14, 28] as const;

async function createProgress(
  context: ControllerContext,
  expectations: Expectations,
  { request, plan, node }: Omit<PlanToGive, 'verdict'> & { readonly node: NodeState },
): Promise<string> {
  const { client, leadership, signal } = context;
  const identity = { sourceUid: request.metadata.uid, nodeUid: node.uid, rollout: plan.rollout };
  for (const digits of NAME_DIGITS) {
    const name = progressNameOf(identity, digits);
    try {
      const bounds = await withinLease(leadership, signal);
      expectations.expect(name);
      await client.create(OSUPGRADE_PROGRESSES, progressBody(name, request, node, plan), bounds);
      return name;
    } catch (error) {
      if (reasonOf(error) !== 'AlreadyExists') throw error;
      const other = await client.get(OSUPGRADE_PROGRESSES, { name }, { signal });
      if (other?.spec.sourceRef.uid === identity.sourceUid && other.spec.nodeName === node.name) return name;
    }
  }
  throw new TransientError(
    'NameTaken',
    `every name for the object of ${node.name} is taken by something else`,
  );
}

async function adopt(
  { client, leadership, signal, ownWrites }: ControllerContext,
  expectations: Expectations,
  { request, plan, progress }: Omit<PlanToGive, 'verdict'> & { readonly progress: OSUpgradeProgress },
): Promise<void> {
  const { name, uid, resourceVersion } = progress.metadata;
  // From now on for this request alone, not for a later one of the same name.
  const sourceRef = { uid: request.metadata.uid };
  const body = { metadata: { uid, resourceVersion }, spec: { sourceRef, plan } };
  const bounds = await withinLease(leadership, signal);
  expectations.expect(name);
  const written = await client.patch(OSUPGRADE_PROGRESSES, { name }, { type: 'merge', body }, bounds);
  ownWrites.note(uid, resourceVersion, written.metadata.resourceVersion);
}
