/** What a retry hint needs to know. */
export interface RetryTarget {
  readonly name: string;
  readonly attempt: number;
  readonly nonce: string | undefined;
}

/** The message with the command that starts another attempt. */
export function withWayOut(message: string, { name, attempt, nonce }: RetryTarget): string {
  const first = `retry-${attempt}`;
  const next = first === nonce ? `retry-${attempt + 1}` : first;
  const patch = JSON.stringify({ spec: { retryNonce: next } });
  return `${message}. To try again: kubectl patch osupgradeprogress ${name} --type merge -p '${patch}'`;
}
