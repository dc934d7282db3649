import { OSUPGRADE_PROGRESSES } from '../../kube/resources.ts';
import type { ControllerContext } from '../context.ts';

/** Plans that we gave and that the cache has to show before more are given. */
export interface Expectations {
  /** To be called before the write: one whose answer is lost may have been done. */
  expect(progressName: string): void;
  /** Whether the cache shows all that was expected. */
  areMet(): Promise<boolean>;
}

const PATIENCE_MS = 10_000;

/** Makes an empty list of expectations. */
export function createExpectations({
  client,
  world,
  clock,
  signal,
}: Pick<ControllerContext, 'client' | 'world' | 'clock' | 'signal'>): Expectations {
  const expected = new Map<string, number>();

  const isSeen = (name: string): boolean => world.progresses.get({ name })?.spec.plan !== undefined;

  /** It was never written, or is gone again: the cache will not show it. */
  const isWithout = async (name: string): Promise<boolean> =>
    (await client.get(OSUPGRADE_PROGRESSES, { name }, { signal }))?.spec.plan === undefined;

  return {
    expect: name => {
      expected.set(name, clock.monotonicMs());
    },
    areMet: async () => {
      for (const [name, sinceMs] of expected) {
        const isLate = clock.monotonicMs() - sinceMs > PATIENCE_MS;
        if (isSeen(name) || (isLate && (await isWithout(name)))) expected.delete(name);
      }
      return expected.size === 0;
    },
  };
}
