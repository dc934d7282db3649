import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { eventually } from '../../env/wait.ts';

/** What the emulator tells unasked: https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html */
export interface QmpEvent {
  readonly event: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

/** The emulator's own control line. */
export interface Qmp {
  /** Sends a command; the answer is not awaited. */
  send(command: string, values?: Readonly<Record<string, unknown>>): void;
  close(): void;
}

/** Connects to a unix socket, as soon as someone listens on it. */
export async function connectSocket(path: string, isWanted: () => boolean): Promise<Socket | undefined> {
  return eventually(
    async () => {
      if (!isWanted()) return null;
      const socket = connect(path);
      return new Promise<Socket>((resolve, reject) => {
        socket.once('connect', () => resolve(socket));
        socket.once('error', reject);
      });
    },
    { timeoutMs: 60_000, everyMs: 20, what: `the emulator listens on ${path}` },
  ).then(socket => {
    socket?.on('error', () => undefined);
    return socket ?? undefined;
  });
}

/** Speaks QMP on a connected socket. */
export function speakQmp(socket: Socket, onEvent: (event: QmpEvent) => void): Qmp {
  const send: Qmp['send'] = (command, values) =>
    void socket.write(JSON.stringify({ execute: command, ...(values && { arguments: values }) }));
  send('qmp_capabilities');
  createInterface(socket).on('line', line => {
    const message: Partial<QmpEvent> = JSON.parse(line);
    if (message.event !== undefined)
      onEvent({ event: message.event, ...(message.data && { data: message.data }) });
  });
  return { send, close: () => socket.destroy() };
}
