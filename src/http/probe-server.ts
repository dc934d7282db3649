import { once } from 'node:events';
import { createServer } from 'node:http';

/** What the server answers from. */
export interface ProbeOptions {
  /** `:8080` or `127.0.0.1:8080`. */
  readonly address: string;
  isReady(): boolean;
  /** The metrics in Prometheus' text format. */
  metrics(): Promise<string>;
}

/** Serves `/healthz`, `/readyz` and `/metrics`. Resolves, once it listens, to what ends it. */
export async function startProbeServer({ address, isReady, metrics }: ProbeOptions): Promise<() => void> {
  const answer = async (path: string | undefined): Promise<[number, string]> => {
    if (path === '/healthz') return [200, 'ok\n'];
    if (path === '/readyz') return isReady() ? [200, 'ok\n'] : [503, 'not ready\n'];
    if (path === '/metrics') return [200, await metrics()];
    return [404, 'there are /healthz, /readyz and /metrics\n'];
  };
  const server = createServer((request, response) => {
    answer(request.url).then(
      ([status, body]) =>
        response.writeHead(status, { 'content-type': 'text/plain; version=0.0.4' }).end(body),
      () => response.writeHead(500).end(),
    );
  });
  const [, host, port] = /^(?:\[?([^\]]*)\]?):(\d+)$/.exec(address) ?? [undefined, address, '0'];
  server.listen(Number(port), host || undefined);
  await once(server, 'listening');
  return () => {
    server.close();
    server.closeAllConnections();
  };
}
