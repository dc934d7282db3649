import { join } from 'node:path';
import { Agent, request } from 'undici';
import { writeKubeconfig } from './cluster-kubeconfig.ts';
import {
  type ControlPlaneSite,
  type NodeMonitor,
  startApiServer,
  startControllerManager,
  startEtcd,
  startScheduler,
} from './control-plane.ts';
import type { Authority } from './control-plane-certificates.ts';
import type { Daemon } from './control-plane-process.ts';
import { eventually } from './wait.ts';

// Generous: other tests may be using every core.
const READY_TIMEOUT_MS = 90_000;

// It waits longer for open watches than a test should.
const API_SERVER_GRACE_MS = 2_000;

/** Which programs run beside etcd and the API server. */
export interface ProgramOptions extends NodeMonitor {
  readonly controllerManager?: boolean;
  readonly scheduler?: boolean;
}

/** The running programs of one cluster. */
export interface Programs {
  startApiServer(): Promise<void>;
  stopApiServer(): Promise<void>;
  killApiServer(): Promise<void>;
  stop(): Promise<void>;
}

/** Where the API server of `site` answers. */
export const serverUrlOf = (site: ControlPlaneSite): string => `https://127.0.0.1:${site.port}`;

/** Starts all programs; resolves when the API server is ready and the controller manager has begun its work. */
export async function startPrograms(
  site: ControlPlaneSite,
  authority: Authority,
  options: ProgramOptions,
): Promise<Programs> {
  const probe = new Agent({ connect: { ca: authority.certificatePem, ...adminTls(authority) } });
  const etcd = startEtcd(site);
  let apiServer = startApiServer(site);
  const others: Daemon[] = [];
  const isServed = async (path: string): Promise<boolean> => {
    for (const daemon of [etcd, apiServer, ...others]) {
      if (daemon.hasExited) throw new Error(`a program of the control plane ended:\n${daemon.logTail()}`);
    }
    const answer = await request(`${serverUrlOf(site)}${path}`, { dispatcher: probe });
    await answer.body.dump();
    return answer.statusCode === 200;
  };
  const untilServed = (path: string, what: string): Promise<boolean> =>
    eventually(() => isServed(path), { timeoutMs: READY_TIMEOUT_MS, everyMs: 50, what });

  const ready = (): Promise<boolean> => untilServed('/readyz', 'the API server is ready');
  await ready();
  if (options.scheduler !== false) {
    others.push(startScheduler(site, identityFile(site, authority, 'kube-scheduler')));
  }
  if (options.controllerManager !== false) {
    const kubeconfig = identityFile(site, authority, 'kube-controller-manager');
    others.push(startControllerManager(site, kubeconfig, options));
    await untilServed(
      '/api/v1/namespaces/default/serviceaccounts/default',
      'the controller manager made the default ServiceAccount',
    );
  }
  return {
    async startApiServer() {
      apiServer = apiServer.hasExited ? startApiServer(site) : apiServer;
      await ready();
    },
    stopApiServer: () => apiServer.terminate(API_SERVER_GRACE_MS),
    killApiServer: () => apiServer.kill(),
    async stop() {
      await Promise.all([...others, apiServer, etcd].map(daemon => daemon.kill()));
      await probe.destroy();
    },
  };
}

function adminTls(authority: Authority): { cert: string; key: string } {
  const admin = authority.issue({ commonName: 'probe', groups: ['system:masters'] });
  return { cert: admin.certificatePem, key: admin.keyPem };
}

const identityFile = (site: ControlPlaneSite, authority: Authority, name: string): string =>
  writeKubeconfig(join(site.dir, `${name}.kubeconfig`), {
    serverUrl: serverUrlOf(site),
    caFile: join(site.dir, 'ca.crt'),
    user: authority.issue({ commonName: `system:${name}` }),
  });
