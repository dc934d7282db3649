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
  /**
   * Sends a command, and resolves to what it returns.
   * @throws Error with the emulator's words when it refuses, or ends before it answers
   */
  ask(command: string, values?: Readonly<Record<string, unknown>>): Promise<unknown>;
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

/** What the emulator writes: an event, or the answer to a command that had an id. */
interface Message extends Partial<QmpEvent> {
  readonly id?: number;
  readonly return?: unknown;
  readonly error?: { readonly desc: string };
}

/** Speaks QMP on a connected socket. */
export function speakQmp(socket: Socket, onEvent: (event: QmpEvent) => void): Qmp {
  const awaited = new Map<number, (answer: Message) => void>();
  let count = 0;
  const write = (message: object): void => void socket.write(`${JSON.stringify(message)}\n`);
  const send: Qmp['send'] = (command, values) =>
    write({ execute: command, ...(values && { arguments: values }) });
  const ask: Qmp['ask'] = (command, values) =>
    new Promise((resolve, reject) => {
      count += 1;
      const id = count;
      awaited.set(id, answer => {
        awaited.delete(id);
        if (answer.error) reject(new Error(`the emulator refuses ${command}: ${answer.error.desc}`));
        else resolve(answer.return);
      });
      write({ execute: command, id, ...(values && { arguments: values }) });
    });
  send('qmp_capabilities');
  const lines = createInterface(socket);
  // It passes on what the socket tells when the emulator is killed; 'close' follows.
  lines.on('error', () => undefined);
  lines.on('line', line => {
    const message: Message = JSON.parse(line);
    if (message.id !== undefined) awaited.get(message.id)?.(message);
    if (message.event !== undefined)
      onEvent({ event: message.event, ...(message.data && { data: message.data }) });
  });
  socket.once('close', () => {
    for (const answer of awaited.values()) answer({ error: { desc: 'it has ended' } });
  });
  return { send, ask, close: () => socket.destroy() };
}
