import type { ObjectMeta } from '../api/meta.ts';
import type { OSUpgradeProgress, Phase } from '../api/monok8s/index.ts';
import type { Request } from './request.ts';

const TERMINAL: readonly (string | undefined)[] = ['Completed', 'Failed', 'RolledBack'] satisfies Phase[];
const PAST_THE_GATE: readonly (Phase | undefined)[] = ['Rebooting', 'Confirming'];

/** No further step follows from here, save by a retry. */
export const isTerminalPhase = (phase: string | undefined): boolean => TERMINAL.includes(phase);

/** The agent has ended its work on the object, whatever is asked of it now. */
export const isTerminal = ({ status }: OSUpgradeProgress): boolean => isTerminalPhase(status?.phase);

/** A person asked for another attempt, and the agent has not begun it. A nonce that was taken away asks for nothing. */
export const isRetryAsked = (progress: OSUpgradeProgress): boolean =>
  isTerminal(progress) &&
  Boolean(progress.spec.retryNonce) &&
  progress.spec.retryNonce !== progress.status?.observedRetryNonce;

/** There is a plan, and the agent works on it or is about to. */
export const isActive = (progress: OSUpgradeProgress): boolean =>
  progress.spec.plan !== undefined && (!isTerminal(progress) || isRetryAsked(progress));

/** The attempt that the agent is at, or begins next. */
export function currentAttempt(progress: OSUpgradeProgress): number {
  const attempt = progress.status?.attempt ?? 0;
  return isRetryAsked(progress) ? attempt + 1 : Math.max(attempt, 1);
}

/** The gate's state for the current attempt: a word for an earlier attempt counts as `Closed`. */
export function gateState(progress: OSUpgradeProgress) {
  const gate = progress.spec.plan?.gate;
  return gate !== undefined && gate.attempt === currentAttempt(progress) ? gate.state : 'Closed';
}

/** The node is being emptied or rebooted: from here on, a plan is finished and not cancelled. */
export const hasBegunDraining = (progress: OSUpgradeProgress): boolean =>
  isActive(progress) &&
  (PAST_THE_GATE.includes(progress.status?.phase) || ['Draining', 'Open'].includes(gateState(progress)));

/**
 * The plan has ended, or the node is free to reboot. Before that nothing was changed that anyone notices, and an object
 * that someone deleted is made again.
 */
export const hasActed = (progress: OSUpgradeProgress): boolean =>
  isTerminal(progress) || PAST_THE_GATE.includes(progress.status?.phase) || gateState(progress) === 'Open';

/** The image is staged and verified: the agent waits for the gate. */
export const isAtGate = (progress: OSUpgradeProgress): boolean =>
  progress.status?.phase === 'Staged' || progress.status?.phase === 'Draining';

/** Whether an object works for a request: by UID where it names one, else by name. */
export function isFor(
  { spec }: OSUpgradeProgress,
  { kind, metadata }: Pick<Request, 'kind' | 'metadata'>,
): boolean {
  const { uid, name } = spec.sourceRef;
  if (kindOf(spec.sourceRef) !== kind) return false;
  if (uid !== undefined) return uid === metadata.uid;
  return name === metadata.name && namespaceOf(spec.sourceRef) === metadata.namespace;
}

type SourceRef = OSUpgradeProgress['spec']['sourceRef'];

/** The kind of the request that an object works for. */
export const kindOf = ({ kind = 'OSUpgrade' }: SourceRef): Request['kind'] => kind;

/** The namespace of that request; `undefined` for a kind without. One that is not named is `default`. */
export const namespaceOf = ({ kind, namespace = 'default' }: SourceRef): string | undefined =>
  kind === 'OS' ? namespace : undefined;

/** `OSUpgrade my-upgrade`, `OS default/os-sample`: for messages. */
export const titleOf = (ref: SourceRef): string =>
  `${kindOf(ref)} ${ref.kind === 'OS' ? `${namespaceOf(ref)}/` : ''}${ref.name}`;

/** An object that has an age. */
interface Aged {
  readonly metadata: ObjectMeta;
}

/** Oldest first, then by name: the order in which both programs work on objects. */
export const byAge = (left: Aged, right: Aged): number =>
  Date.parse(left.metadata.creationTimestamp ?? '') - Date.parse(right.metadata.creationTimestamp ?? '') ||
  (left.metadata.name < right.metadata.name ? -1 : 1);
