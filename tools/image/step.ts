import { formatDuration } from '../lib/steps.mjs';

/** Tells on stderr that slow work begins, and how long it took. */
export async function step<T>(title: string, work: () => Promise<T>): Promise<T> {
  const startMs = performance.now();
  process.stderr.write(`• ${title} … `);
  let ending = 'failed';
  try {
    const result = await work();
    ending = 'done';
    return result;
  } finally {
    process.stderr.write(`${ending} (${formatDuration(performance.now() - startMs)})\n`);
  }
}
