/** What a retry hint needs to know. */
export interface RetryTarget {
  readonly name: string;
  readonly attempt: number;
  readonly nonce: string | undefined;
}

/** Ends after which another attempt would only end the same: the request decides, not the object. */
const NO_RETRY = ['Superseded', 'RequestChanged', 'RequestDeleted', 'RequestNotFound'];

/** The message with the command that starts another attempt, where that can help. */
export function withWayOut(message: string, reason: string, { name, attempt, nonce }: RetryTarget): string {
  if (NO_RETRY.includes(reason)) return message;
  const first = `retry-${attempt}`;
  const next = first === nonce ? `retry-${attempt + 1}` : first;
  const patch = JSON.stringify({ spec: { retryNonce: next } });
  return `${message}. To try again: kubectl patch osupgradeprogress ${name} --type merge -p '${patch}'`;
}
