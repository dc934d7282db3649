import { expect } from 'chai';
import { Agent, request } from 'undici';
import { startProbeServer } from '../../src/http/probe-server.ts';
import { createMetrics } from '../../src/reconcilers/metrics.ts';
import { findFreePort } from '../env/control-plane-ports.ts';
import { request as osupgrade, progress } from '../reconcilers/objects.ts';

describe('probe server', () => {
  let isReady = false;
  let base = '';
  let end = (): void => undefined;
  const metrics = createMetrics();
  const dispatcher = new Agent();

  before(async () => {
    const port = await findFreePort();
    base = `http://127.0.0.1:${port}`;
    end = await startProbeServer({
      address: `127.0.0.1:${port}`,
      isReady: () => isReady,
      metrics: metrics.text,
    });
  });
  after(async () => {
    end();
    await dispatcher.destroy();
  });

  const ask = async (path: string): Promise<[number, string]> => {
    const { statusCode, body } = await request(`${base}${path}`, { dispatcher });
    return [statusCode, await body.text()];
  };

  it('tells that it lives, and whether it is ready', async () => {
    expect(await ask('/healthz')).to.deep.equal([200, 'ok\n']);
    expect(await ask('/readyz')).to.deep.equal([503, 'not ready\n']);
    isReady = true;
    expect(await ask('/readyz')).to.deep.equal([200, 'ok\n']);
    expect((await ask('/etc/passwd'))[0]).to.equal(404);
  });

  it('counts what the caches hold', async () => {
    expect((await ask('/metrics'))[1]).to.contain('twinslot_leader 0');
    const lister = <T>(items: readonly T[]) => ({ get: () => undefined, list: () => items });
    metrics.observe({
      nodes: lister([]),
      instances: lister([]),
      agentPods: lister([]),
      upstreamProxies: lister([]),
      oses: lister([]),
      upgrades: lister([osupgrade('up'), osupgrade('down', {}, { phase: 'Rejected' })]),
      progresses: lister([progress({ on: 'n1', status: { phase: 'Failed' } })]),
    });
    const [, text] = await ask('/metrics');
    expect(text).to.contain('twinslot_leader 1');
    expect(text).to.contain('twinslot_requests{kind="OSUpgrade",phase="Rejected"} 1');
    expect(text).to.contain('twinslot_progresses{phase="Failed",active="false"} 1');
  });
});
