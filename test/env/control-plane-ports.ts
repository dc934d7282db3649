import { once } from 'node:events';
import { createServer } from 'node:net';

// Below Linux's ephemeral ports (32768 and up): no outgoing connection takes the port while its server restarts.
const LOWEST = 20_000;
const COUNT = 12_000;

/** A free TCP port on loopback that stays free for a server that is restarted. `random` gives numbers in 0…1. */
export async function findFreePort(random: () => number = Math.random): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const port = LOWEST + Math.floor(random() * COUNT);
    if (await isFree(port)) return port;
  }
  throw new Error('found no free TCP port on 127.0.0.1');
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}
