import { Writable } from 'node:stream';
import winston from 'winston';
import { systemTimer, type Timer } from '../../kube/timer.ts';
import { type LogInfo, toLogLine } from './log-line.ts';
import { createLogPump } from './log-pump.ts';
import { createLogQueue } from './log-queue.ts';

/** Where the lines go. */
export interface SystemLogOptions {
  readonly hostRoot: string;
  /** Told once when the lines go nowhere, and when they go somewhere (again). */
  onRoute(route: string | undefined, trouble: string): void;
  readonly timer?: Timer;
  /** Lines that wait for a logger; more are dropped. */
  readonly maxLines?: number;
}

/** A transport that also writes to the host's system logger. */
export interface SystemLog {
  readonly transport: winston.transport;
  /** Writes what still waits, within a second, and lets go. */
  close(): Promise<void>;
}

const MAX_LINES = 1_000;

/**
 * Lets lines of level info and above be seen in `/var/log/messages` of the node, or wherever its system logger puts
 * them. The agent never waits for it: lines queue up while no logger takes them, and those that do not fit are counted.
 */
export function createSystemLog(options: SystemLogOptions): SystemLog {
  const { maxLines = MAX_LINES, timer = systemTimer } = options;
  const queue = createLogQueue(maxLines);
  const pump = createLogPump(queue, { ...options, timer });
  const stream = new Writable({
    decodeStrings: false,
    write: (line: string, _encoding, done) => {
      queue.push(line);
      pump.start();
      done();
    },
  });
  const format = winston.format.printf(info => toLogLine(infoOf(info)));
  return {
    transport: new winston.transports.Stream({ stream, level: 'info', format, eol: '' }),
    close: () => pump.close(),
  };
}

// Without the symbols under which winston keeps what it has formatted.
const infoOf = ({ level, message, ...fields }: winston.Logform.TransformableInfo): LogInfo => ({
  ...Object.fromEntries(Object.entries(fields)),
  level,
  message,
});
