import { systemTimer, type Timer } from '../kube/timer.ts';

/** Lets one loop sleep until something happens. */
export interface Wakeup {
  /** Ends the sleep that is going on, or else the next one. */
  wake(): void;
  /** Sleeps; for ever without `delayMs`. Never rejects. */
  sleep(delayMs: number | undefined, signal: AbortSignal): Promise<void>;
}

/** Makes the alarm clock of one loop. */
export function createWakeup(timer: Timer = systemTimer): Wakeup {
  let isPending = false;
  let end = (): void => {};

  const sleepNow = (delayMs: number | undefined, signal: AbortSignal): Promise<void> =>
    new Promise(resolve => {
      end = () => {
        cancel();
        signal.removeEventListener('abort', end);
        end = () => {};
        resolve();
      };
      const cancel = delayMs === undefined ? () => {} : timer.after(delayMs, () => end());
      signal.addEventListener('abort', end, { once: true });
    });

  return {
    wake() {
      isPending = true;
      end();
    },
    async sleep(delayMs, signal) {
      if (!isPending && !signal.aborted) await sleepNow(delayMs, signal);
      isPending = false;
    },
  };
}
