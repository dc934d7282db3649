import { setTimeout as delay } from 'node:timers/promises';

/** Pause between two attempts. */
export const RETRY_MS = 500;

/** Does something until it works or the signal fires. */
export async function persist(act: () => Promise<unknown>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await act();
      return;
    } catch {
      await delay(RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}
