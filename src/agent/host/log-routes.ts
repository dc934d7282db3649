import { stat } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { TransientError } from '../../domain/errors.ts';
import { followLinks } from './follow-links.ts';
import { run } from './run.ts';

/** A way to the host's system logger. */
export interface LogRoute {
  /** For messages. */
  readonly name: string;
  /** Resolves when the lines were taken. @throws when they were not: then the route is of no more use */
  write(lines: readonly string[]): Promise<void>;
  close(): void;
}

const JOURNAL = '/run/systemd/journal/stdout';
const SYSLOG = '/dev/log';
const LOGGER_TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 1_000;

/**
 * Finds the host's system logger: journald, else whatever listens at /dev/log. `undefined` if there is neither.
 * @throws whatever keeps one that is there from being used
 */
export async function openLogRoute(hostRoot: string, identifier: string): Promise<LogRoute | undefined> {
  const journal = await followLinks(hostRoot, JOURNAL);
  if (await isSocket(journal)) return openJournal(journal, identifier);
  const syslog = await followLinks(hostRoot, SYSLOG);
  return (await isSocket(syslog)) ? loggerAt(syslog, identifier) : undefined;
}

const isSocket = (path: string): Promise<boolean> =>
  stat(path).then(
    found => found.isSocket(),
    () => false,
  );

/**
 * A stream to journald.
 * @source systemd, src/libsystemd/sd-journal/journal-send.c (sd_journal_stream_fd): a header of seven lines, then text
 */
async function openJournal(path: string, identifier: string): Promise<LogRoute> {
  // journald closes its own direction at once: that must not end ours.
  const socket = connect({ path, allowHalfOpen: true });
  await connected(socket);
  socket.unref();
  const write = (text: string) =>
    new Promise<void>((resolve, reject) => {
      if (socket.destroyed) return reject(new TransientError('SystemLogMissing', 'journald is gone'));
      socket.write(text, error => (error ? reject(error) : resolve()));
    });
  // Identifier, unit, priority (informational), lines begin with their level, forward to syslog, kmsg, console.
  await write(`${identifier}\n\n6\n1\n1\n0\n0\n`);
  return { name: 'journald', write: lines => write(lines.join('')), close: () => socket.destroy() };
}

function connected(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    // Later errors are those of a write, which tells them itself.
    socket.on('error', reject);
    socket.once('connect', () => {
      socket.setTimeout(0);
      resolve();
    });
    socket.setTimeout(CONNECT_TIMEOUT_MS, () =>
      socket.destroy(new TransientError('SystemLogMissing', 'journald does not answer')),
    );
    socket.resume();
  });
}

/** Node cannot open datagram sockets of this kind, logger(1) can. One run takes as many lines as have come together. */
function loggerAt(path: string, identifier: string): LogRoute {
  const argv = [
    ...['logger', '--socket', path, '--socket-errors=on', '--tag', identifier, `--id=${process.pid}`],
    ...['--prio-prefix', '--priority', 'daemon.info', '--size', '8192'],
  ];
  const end = new AbortController();
  return {
    name: SYSLOG,
    write: async lines => {
      const result = await run(argv, {
        timeoutMs: LOGGER_TIMEOUT_MS,
        input: lines.join(''),
        signal: end.signal,
      });
      if (result.code !== 0)
        throw new TransientError(
          'SystemLogMissing',
          result.stderr.trim() || 'logger(1) did not take the lines',
        );
    },
    close: () => end.abort(),
  };
}
