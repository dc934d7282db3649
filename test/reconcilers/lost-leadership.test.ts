import { once } from 'node:events';
import { createServer } from 'node:http';
import { expect } from 'chai';
import { systemClock } from '../../src/domain/clock.ts';
import { createKubeClient } from '../../src/kube/client.ts';
import { runController } from '../../src/reconcilers/controller.ts';
import { recordLog } from '../kube/help.ts';

describe('a controller whose leadership ends before the first lists have come', () => {
  it('ends its work without an error, so that it stands for leadership again', async () => {
    const asked = Promise.withResolvers<void>();
    const server = createServer(() => asked.resolve());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = address !== null && typeof address === 'object' ? address.port : 0;
    const { log, lines } = recordLog();
    const connection = {
      server: `http://127.0.0.1:${port}`,
      tls: {},
      namespace: 'default',
      authorization: async () => undefined,
    };
    const client = createKubeClient(connection, { log });
    const leading = new AbortController();
    const work = runController({
      ...{ client, log, clock: systemClock, random: Math.random, signal: leading.signal },
      ...{ namespace: 'mono-system', osNamespaces: [], timeZone: 'UTC' },
      events: { record: () => undefined, flush: async () => undefined },
      leadership: { remainingMs: () => 0, renew: async () => 0 },
      fetchCatalog: async () => '',
    });
    try {
      await asked.promise;
      leading.abort();
      await work;
      expect(lines.map(({ message }) => message)).to.deep.equal([]);
    } finally {
      await client.close();
      server.closeAllConnections();
      server.close();
    }
  });
});
