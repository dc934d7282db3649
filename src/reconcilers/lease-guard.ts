import { TransientError } from '../domain/errors.ts';
import type { CallOptions, Leadership } from '../kube/types.ts';

const CALL_MS = 8000;
/** Clocks and schedulers are not exact. */
const MARGIN_MS = 1500;

/**
 * Bounds of a call that must not reach the API server after another controller may have taken over: the lease is
 * renewed right before, and the call ends before the lease does.
 * @throws TransientError `LeadershipLost`
 */
export async function withinLease(leadership: Leadership, signal: AbortSignal): Promise<CallOptions> {
  const remainingMs = await leadership.renew();
  const timeoutMs = Math.min(CALL_MS, remainingMs - MARGIN_MS);
  if (timeoutMs <= 0) {
    throw new TransientError('LeadershipLost', 'the lease ends too soon to take a node out of service');
  }
  return { signal, timeoutMs };
}
