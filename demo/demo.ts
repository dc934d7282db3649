import { setTimeout as delay } from 'node:timers/promises';
import { machinesObstacle, playMachines } from './machines.ts';
import { playMonok8s } from './monok8s.ts';
import { playOpeneuler } from './openeuler.ts';
import { dim, say } from './screen.ts';

const HELP = `Walks through upgrades of two-partition (A/B) Kubernetes nodes: a real control plane, emulated machines with the
real agent, real system images. One to four minutes, nothing is left behind, Ctrl-C ends it at any time.

  npm run demo                 OSUpgrade: an upgrade, a damaged image, a retry
  npm run demo -- openeuler    OS of openEuler KubeOS: upgrade from a disk image over mutual TLS, from a
                               container image, rollback, and an address that is refused
  npm run demo -- machines     one whole machine that really boots, with its console: an upgrade, a rollback, and
                               a system whose kernel panics; four minutes, as root, on x86-64
  npm run demo -- --help       this text`;

const STORIES = new Map([
  ['monok8s', playMonok8s],
  ['openeuler', playOpeneuler],
  ['machines', playMachines],
]);

const INTERRUPT_PATIENCE_MS = 3000;

/** Plays a story and takes its stage down, whatever ends it. */
async function play(story: (stack: AsyncDisposableStack) => Promise<void>): Promise<void> {
  const startedMs = performance.now();
  const stack = new AsyncDisposableStack();
  let isInterrupted = false;
  const interrupt = (): void => {
    if (isInterrupted) return;
    isInterrupted = true;
    say('\nStopping everything that was started …');
    // What is not down by then goes with this process.
    const patience = delay(INTERRUPT_PATIENCE_MS);
    void Promise.race([stack.disposeAsync(), patience]).finally(() => process.exit(130));
  };
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, interrupt);
  try {
    await story(stack);
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(0);
    say(dim(`${seconds} s. Everything that was started is being stopped.`));
  } catch (error) {
    // What was taken away under the story's feet is no failure of it.
    if (isInterrupted) await new Promise(() => undefined);
    throw error;
  } finally {
    await stack.disposeAsync();
  }
  process.exit();
}

const [word = 'monok8s', ...rest] = process.argv.slice(2);
const story = rest.length === 0 ? STORIES.get(word) : undefined;
const obstacle = story === playMachines ? machinesObstacle(process) : undefined;
if (obstacle !== undefined) {
  console.error(obstacle);
  process.exitCode = 1;
} else if (story !== undefined) await play(story);
else if (['--help', '-h', 'help'].includes(word)) say(HELP);
else {
  console.error(`There is no such demo: ${[word, ...rest].join(' ')}\n\n${HELP}`);
  process.exitCode = 2;
}
