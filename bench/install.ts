// One installation by the agent's own write path, in a process of its own: prints what it took as JSON.
import winston from 'winston';
import { AgentConfig } from '../src/agent/config.ts';
import { createStager } from '../src/agent/install/stager.ts';
import { createSlots } from '../src/agent/slots/slots.ts';
import { systemClock } from '../src/domain/clock.ts';
import { cpuMs, memoryOf } from './measure.ts';

/** What one installation took. The start of the process is left out: an agent runs anyway. */
export interface InstallFigures {
  readonly wallMs: number;
  readonly cpuMs: number;
  /** Part of `wallMs` that came after the last byte had been fetched and expanded. */
  readonly lastMs: number;
  readonly idleMiB: number;
  readonly peakMiB: number;
}

const [hostRoot = '', url = '', checksum = '', size = ''] = process.argv.slice(2);
const config = AgentConfig.parse({ hostRoot, slots: { A: '/a.img', B: '/b.img' } });
const log = winston.createLogger({ silent: true });
const slots = createSlots(config, log);
const stager = createStager({ slots, config, log, clock: systemClock, random: Math.random });
const { B: slot } = await slots.inspect();

const idleMiB = memoryOf(process.pid).nowMiB;
const start = { wallMs: performance.now(), cpuMs: cpuMs() };
let lastFromMs = 0;
await stager.stage(
  { image: { url, checksum, size: Number(size), flagSafe: true }, slot, stallMs: 60_000 },
  {
    signal: new AbortController().signal,
    onProgress: ({ phase }) => {
      if (phase === 'Installing') lastFromMs ||= performance.now();
    },
    onRetry: (reason, message) => {
      throw new Error(`${reason}: ${message}`);
    },
  },
);
const endMs = performance.now();
const figures: InstallFigures = {
  wallMs: endMs - start.wallMs,
  cpuMs: cpuMs() - start.cpuMs,
  lastMs: endMs - lastFromMs,
  idleMiB,
  peakMiB: memoryOf(process.pid).peakMiB,
};
console.log(JSON.stringify(figures));
