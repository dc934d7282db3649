import { once } from 'node:events';
import { connect as connectTcp, createServer, type Socket } from 'node:net';
import { Writable } from 'node:stream';
import { createLogger, format, type Logger, transports } from 'winston';
import type { Clock } from '../../src/domain/clock.ts';
import type { Timer } from '../../src/kube/timer.ts';

/** A logger whose lines a test can read. */
export interface RecordedLog {
  readonly log: Logger;
  readonly lines: { level: string; message: string; [field: string]: unknown }[];
}

export function recordLog(): RecordedLog {
  const lines: RecordedLog['lines'] = [];
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      lines.push(JSON.parse(String(chunk)));
      done();
    },
  });
  const log = createLogger({
    level: 'debug',
    format: format.json(),
    transports: [new transports.Stream({ stream })],
  });
  return { log, lines };
}

/** A clock and a timer that stand still until they are told. */
export interface FakeTime extends Clock, Timer {
  /** Lets time pass, calling what is due in its order, and lets promises settle in between. */
  advance(ms: number): Promise<void>;
  readonly pending: number;
}

export function fakeTime(): FakeTime {
  let now = 0;
  const timers = new Set<{ atMs: number; run: () => void }>();
  const settle = async () => {
    for (let i = 0; i < 5; i += 1) await new Promise(resolve => setImmediate(resolve));
  };
  return {
    nowMs: () => 1_700_000_000_000 + now,
    monotonicMs: () => now,
    get pending() {
      return timers.size;
    },
    after: (delayMs, run) => {
      const entry = { atMs: now + Math.max(0, delayMs), run };
      timers.add(entry);
      return () => timers.delete(entry);
    },
    async advance(ms) {
      const endMs = now + ms;
      await settle();
      for (;;) {
        const next = [...timers].sort((a, b) => a.atMs - b.atMs)[0];
        if (!next || next.atMs > endMs) break;
        now = Math.max(now, next.atMs);
        timers.delete(next);
        next.run();
        await settle();
      }
      now = endMs;
      await settle();
    },
  };
}

/** A TCP proxy that counts, cuts and swallows. */
export interface TcpProxy {
  readonly url: string;
  /** Connections that were ever made. */
  readonly accepted: number;
  /** Connections that are open now. */
  readonly open: number;
  /** From now on nothing goes through, and nobody is told. */
  blackhole(isOn: boolean): void;
  /** Resets all connections. */
  cut(): void;
  close(): Promise<void>;
}

export async function startProxy(target: string): Promise<TcpProxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let accepted = 0;
  let isSwallowing = false;
  const forward = (from: Socket, to: Socket) => {
    from.on('data', chunk => {
      if (!isSwallowing) to.write(chunk);
    });
    from.on('close', () => to.destroy());
    from.on('error', () => to.destroy());
  };
  const server = createServer(client => {
    accepted += 1;
    const upstream = connectTcp(Number(port), hostname);
    sockets.add(client);
    client.on('close', () => sockets.delete(client));
    forward(client, upstream);
    forward(upstream, client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const ownPort = address && typeof address === 'object' ? address.port : 0;
  return {
    url: `https://127.0.0.1:${ownPort}`,
    get accepted() {
      return accepted;
    },
    get open() {
      return sockets.size;
    },
    blackhole: isOn => {
      isSwallowing = isOn;
    },
    cut: () => {
      for (const socket of sockets) socket.resetAndDestroy();
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** The error that a promise is rejected with. */
export async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('it was expected to fail');
}
