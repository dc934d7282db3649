import type { NodePlan, OSUpgrade, PinnedImage } from '../api/monok8s/index.ts';
import { CONTROLLER_NAME, SYSTEM_NAMESPACE } from '../api/monok8s/index.ts';
import { parseCatalog, resolveImage } from '../domain/catalog.ts';
import type { Clock } from '../domain/clock.ts';
import { isTransient, messageOf, reasonOf } from '../domain/errors.ts';
import { PLAN_LIMITS, toPlanImage } from '../domain/plan-image.ts';
import { inStyleOf } from '../domain/version.ts';
import { judgeVersionChange } from '../domain/version-change.ts';
import { LEASES, OSUPGRADES } from '../kube/resources.ts';
import type { KubeClient } from '../kube/types.ts';
import { type CatalogReader, CatalogWait } from './catalog-source.ts';
import { type Candidate, phaseOf } from './decide/attempt.ts';
import { RECHECK_MS, waitOf } from './decide/hold.ts';
import type { PinnedPlan } from './decide/records.ts';
import type { Hold, Resolution } from './decide/snapshot.ts';
import type { Durable } from './state.ts';

/** Finds out what an object asks for. */
export interface Resolver {
  /** `running` is the version of the running system. */
  resolve(candidate: Candidate, running: string): Promise<Resolution>;
}

/** What finding out needs. */
export interface ResolverOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly pin: Durable<PinnedPlan>;
  readonly readCatalog: CatalogReader;
  /** IANA zone of windows that name none. */
  readonly zone: string;
}

/**
 * An object with a plan is taken as it is. One without, made by hand, waits for the controller where there is one; else
 * its plan is made of the OSUpgrade that it names, by the controller's own rules, and kept for the attempt.
 */
export function createResolver(options: ResolverOptions): Resolver {
  const { clock, pin } = options;
  let waiting: { key: string; untilMs: number; answer: Resolution & { type: 'wait' } } | undefined;

  const remember = (key: string, answer: Resolution): Resolution => {
    const untilMs = clock.monotonicMs() + (answer.type === 'wait' ? answer.retryInMs : 0);
    waiting = answer.type === 'wait' ? { key, untilMs, answer } : undefined;
    return answer;
  };

  const byHand = async (candidate: Candidate, running: string, key: string): Promise<Resolution> => {
    const pinned = await pin.load();
    if (pinned && `${pinned.uid}/${pinned.attempt}` === key) return withHold(options, candidate, pinned.plan);
    const answer = await resolveAnew(options, candidate, running);
    if (answer.type !== 'plan') return remember(key, answer);
    try {
      await pin.save({ uid: candidate.object.metadata.uid, attempt: candidate.attempt, plan: answer.plan });
    } catch (error) {
      if (isTransient(error)) throw error;
      return refused(reasonOf(error), messageOf(error));
    }
    return remember(key, answer);
  };

  return {
    async resolve(candidate, running) {
      const { plan } = candidate.object.spec;
      if (plan) return { type: 'plan', plan, gated: true };
      const key = `${candidate.object.metadata.uid}/${candidate.attempt}`;
      const leftMs = waiting?.key === key ? waiting.untilMs - clock.monotonicMs() : 0;
      if (waiting && leftMs > 0) return { ...waiting.answer, retryInMs: leftMs };
      return byHand(candidate, running, key);
    },
  };
}

async function resolveAnew(
  options: ResolverOptions,
  { object }: Candidate,
  running: string,
): Promise<Resolution> {
  const { sourceRef } = object.spec;
  const later = (message: string): Resolution => ({ type: 'wait', message, retryInMs: RECHECK_MS });
  if (sourceRef.kind === 'OS')
    return refused(
      'SourceUnsupported',
      'spec.sourceRef.kind "OS" needs the controller: install it, or name an OSUpgrade',
    );
  try {
    if (await hasController(options.client)) return later('waiting for the controller to add a plan');
    const request = await options.client.get(OSUPGRADES, { name: sourceRef.name });
    if (!request) return later(`there is no OSUpgrade ${sourceRef.name} (spec.sourceRef.name): create it`);
    const hold = waitOf(request, options.clock.nowMs(), options.zone);
    return hold ? { type: 'wait', ...hold } : await planOf(options, request, running);
  } catch (error) {
    if (isTransient(error) || error instanceof CatalogWait) return later(messageOf(error));
    return refused(reasonOf(error), messageOf(error));
  }
}

async function planOf(options: ResolverOptions, request: OSUpgrade, running: string): Promise<Resolution> {
  const catalog = parseCatalog(await options.readCatalog(request.spec.catalog));
  const image = resolveImage(catalog, request.spec.version);
  const refusal = judgeVersionChange(running, image.version);
  if (refusal) return refused(refusal.reason, refusal.message);
  return { type: 'plan', plan: handMadePlan(image, request.spec.version), gated: false };
}

/** A plan is not begun, and a staged one not booted, while its request is paused or its window closed. */
async function withHold(options: ResolverOptions, candidate: Candidate, plan: NodePlan): Promise<Resolution> {
  const answer: Resolution = { type: 'plan', plan, gated: false };
  if (phaseOf(candidate) !== 'Staged') return answer;
  const hold = await stagedHold(options, candidate.object.spec.sourceRef.name);
  return hold ? { ...answer, hold } : answer;
}

/** Why a staged image is not booted now. Whatever cannot be found out holds it too: a reboot is not taken back. */
async function stagedHold({ client, clock, zone }: ResolverOptions, name: string): Promise<Hold | undefined> {
  try {
    const request = await client.get(OSUPGRADES, { name });
    if (request) return waitOf(request, clock.nowMs(), zone);
    const message = `OSUpgrade ${name} (spec.sourceRef.name) was deleted: create it again, or delete this object`;
    return { message, retryInMs: RECHECK_MS };
  } catch (error) {
    return { message: `OSUpgrade ${name}: ${messageOf(error)}`, retryInMs: RECHECK_MS };
  }
}

function handMadePlan(image: PinnedImage, requested: string): NodePlan {
  return {
    kind: 'upgrade',
    rollout: 0,
    targetVersion: inStyleOf(requested === 'stable' ? image.version : requested, image.version),
    versionField: 'VERSION_ID',
    image: toPlanImage(image),
    limits: PLAN_LIMITS,
    gate: { state: 'Closed', attempt: 0, reason: '', message: '' },
  };
}

const hasController = async (client: KubeClient): Promise<boolean> =>
  (await client.get(LEASES, { name: CONTROLLER_NAME, namespace: SYSTEM_NAMESPACE })) !== undefined;

const refused = (reason: string, message: string): Resolution => ({ type: 'refused', reason, message });
