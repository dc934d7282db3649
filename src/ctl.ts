#!/usr/bin/env node
import { text } from 'node:stream/consumers';
import type { CliContext } from './cli/context.ts';
import { runCtl } from './cli/program.ts';
import { systemClock } from './domain/clock.ts';

const ending = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ending.abort());
// `ctl … | head` is no failure.
process.stdout.on('error', error => {
  if ('code' in error && error.code === 'EPIPE') process.exit(0);
  throw error;
});

const context: CliContext = {
  environment: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
  isTerminal: process.stdout.isTTY === true && process.env.TERM !== 'dumb',
  // A terminal that does not know its size says 0.
  columns: process.stdout.columns || 100,
  rows: process.stdout.rows || 50,
  clock: systemClock,
  signal: ending.signal,
  readStdin: () => text(process.stdin),
};

process.exitCode = await runCtl(process.argv.slice(2), context);
