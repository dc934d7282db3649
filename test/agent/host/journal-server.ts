import { once } from 'node:events';
import { mkdir, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname, join } from 'node:path';

/** A listener that speaks journald's stream protocol, as systemd does: it closes its own direction at once. */
export class JournalServer {
  /** Header and lines of each connection. */
  readonly streams: string[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #path: string;
  #server: Server | undefined;
  /** Takes nothing from its connections, from the next start on. */
  isStuck = false;

  constructor(root: string) {
    this.#path = join(root, 'run/systemd/journal/stdout');
  }

  async start(): Promise<void> {
    await mkdir(dirname(this.#path), { recursive: true });
    await rm(this.#path, { force: true });
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: this.isStuck }, socket =>
      this.#accept(socket),
    );
    this.#server.listen(this.#path);
    await once(this.#server, 'listening');
  }

  /** Goes away with all its connections. The socket file stays behind, as after a crash. */
  async stop(): Promise<void> {
    const server = this.#server;
    for (const socket of this.#sockets) socket.destroy();
    if (!server?.listening) return;
    server.close();
    await once(server, 'close');
  }

  get text(): string {
    return this.streams.join('');
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket)).on('error', () => undefined);
    socket.end();
    if (this.isStuck) return;
    const index = this.streams.push('') - 1;
    socket.setEncoding('utf8').on('data', text => {
      this.streams[index] = `${this.streams[index]}${text}`;
    });
  }
}
