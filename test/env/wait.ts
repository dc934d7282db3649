import { setTimeout as delay } from 'node:timers/promises';

/** Bounds of {@link eventually}. */
export interface Patience {
  readonly timeoutMs: number;
  /** Pause between two checks. Default 100. */
  readonly everyMs?: number;
  /** What is awaited, for the error: "node-1 is Ready". */
  readonly what: string;
}

/**
 * Checks again and again until the answer is neither `undefined` nor `false`, and resolves to it. A check that
 * throws counts as "not yet".
 * @throws Error that names what was awaited, and the last answer or error
 */
export async function eventually<T>(
  check: () => Promise<T | undefined | false> | T | undefined | false,
  patience: Patience,
): Promise<T> {
  const endMs = performance.now() + patience.timeoutMs;
  for (;;) {
    const last = await attempt(check);
    if (last.value !== undefined && last.value !== false) return last.value;
    if (performance.now() >= endMs) {
      const got = last.error === undefined ? `last answer: ${String(last.value)}` : 'last check failed';
      throw new Error(`waited ${patience.timeoutMs} ms in vain until ${patience.what}; ${got}`, {
        cause: last.error,
      });
    }
    await delay(patience.everyMs ?? 100);
  }
}

interface Attempt<T> {
  readonly value?: T | undefined | false;
  readonly error?: unknown;
}

async function attempt<T>(
  check: () => Promise<T | undefined | false> | T | undefined | false,
): Promise<Attempt<T>> {
  try {
    return { value: await check() };
  } catch (error) {
    return { error };
  }
}
