import type { NodePlan } from '../../api/monok8s/index.ts';

/** What a retry hint needs to know. */
export interface RetryTarget {
  readonly name: string;
  readonly attempt: number;
  readonly nonce: string | undefined;
  /** The plan that the controller gave: another attempt finds the same one. Absent if the agent makes it itself. */
  readonly plan: NodePlan | undefined;
}

/** Ends after which another attempt would only end the same: the request decides, not the object. */
const NO_RETRY = ['Superseded', 'RequestChanged', 'RequestDeleted', 'RequestNotFound'];

/** Ends that the plan itself brings about, on every attempt. */
const OF_THE_PLAN = [
  ...['ReferenceInvalid', 'ChecksumInvalid', 'ConfigUnsupported', 'ImageMissing', 'ImageAmbiguous'],
];

/** An address may also be insecure because a server leads there. */
const isOfPlan = (reason: string, { image }: NodePlan): boolean =>
  OF_THE_PLAN.includes(reason) || (reason === 'InsecureAddress' && image?.url?.startsWith('http:') === true);

/** The message with the command that starts another attempt, where that can help. */
export function withWayOut(message: string, reason: string, target: RetryTarget): string {
  if (NO_RETRY.includes(reason)) return message;
  const { name, attempt, nonce, plan } = target;
  if (plan !== undefined && isOfPlan(reason, plan))
    return `${message}. When the request is corrected, this node is tried again by itself`;
  const first = `retry-${attempt}`;
  const next = first === nonce ? `retry-${attempt + 1}` : first;
  const patch = JSON.stringify({ spec: { retryNonce: next } });
  return `${message}. To try again: kubectl patch osupgradeprogress ${name} --type merge -p '${patch}'`;
}
