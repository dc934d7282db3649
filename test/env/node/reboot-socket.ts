import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';

/** Where an emulated machine is asked for a reboot. */
export interface RebootSocket {
  /** The program that asks, with its arguments. */
  readonly command: readonly string[];
  close(): Promise<void>;
}

/** Opens a machine's reboot socket in its folder. */
export async function openRebootSocket(dir: string, onRequest: () => void): Promise<RebootSocket> {
  const path = join(dir, 'reboot.sock');
  const server = createServer(socket => {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      socket.end('rebooting\n');
      onRequest();
    });
  });
  server.listen(path);
  await once(server, 'listening');
  return {
    command: [process.execPath, join(import.meta.dirname, 'reboot-request.mjs'), path],
    async close() {
      server.close();
      await once(server, 'close');
    },
  };
}
