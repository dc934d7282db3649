// Slow steps: one line when a step starts, its time when it ends, its output only when it fails.
import { spawn } from 'node:child_process';

/** Something that a person has to do before the set-up can go on. */
export class SetUpError extends Error {
  /** @param {string[]} problems each with its way out */
  constructor(problems) {
    super(['cannot go on:', ...problems.map(problem => `  - ${problem}`)].join('\n'));
  }
}

/** `83_000` → `1 min 23 s` */
export const formatDuration = (/** @type {number} */ ms) =>
  ms < 60_000
    ? `${(ms / 1000).toFixed(1)} s`
    : `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;

const SHOWN_LINES = 30;
const lastLines = (/** @type {string} */ text) => text.trimEnd().split('\n').slice(-SHOWN_LINES).join('\n');

/**
 * Runs one program as a step.
 * @throws SetUpError with its output when it fails
 * @param {string} title
 * @param {string[]} command
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, wayOut: string }} options
 */
export async function runStep(title, [program = '', ...args], { cwd, env, wayOut }) {
  const startMs = performance.now();
  process.stderr.write(`• ${title} … `);
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const keep = (/** @type {Buffer} */ chunk) => {
    output += chunk;
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const code = await new Promise(resolve => {
    child.on('error', error => resolve(error.message));
    child.on('close', (code, signal) => resolve(code ?? signal));
  });
  process.stderr.write(
    `${code === 0 ? 'done' : 'failed'} (${formatDuration(performance.now() - startMs)})\n`,
  );
  if (code !== 0) {
    throw new SetUpError([
      `${[program, ...args].join(' ')} ended with ${code}:\n${lastLines(output)}`,
      wayOut,
    ]);
  }
}
