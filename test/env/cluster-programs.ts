import { join } from 'node:path';
import { Agent, request } from 'undici';
import { writeKubeconfig } from './cluster-kubeconfig.ts';
import {
  type ApiServerOptions,
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

// Made by the controller manager.
const DEFAULT_ACCOUNT = '/api/v1/namespaces/default/serviceaccounts/default';
// It waits longer for open watches than a test should.
const API_SERVER_GRACE_MS = 2_000;

/** Which programs run beside etcd and the API server. */
export interface ProgramOptions extends NodeMonitor, ApiServerOptions {
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

/**
 * Starts all programs; resolves when the API server is ready and the controller manager has begun its work.
 * @throws Error with the end of its log when a program ends instead; nothing is left running then
 */
export async function startPrograms(
  site: ControlPlaneSite,
  authority: Authority,
  options: ProgramOptions,
): Promise<Programs> {
  const probe = new Agent({ connect: { ca: authority.certificatePem, ...adminTls(authority) } });
  const etcd = startEtcd(site);
  let apiServer = startApiServer(site, options);
  const others: Daemon[] = [];
  const untilServed = (path: string, what: string): Promise<void> => {
    const url = `${serverUrlOf(site)}${path}`;
    return waitUntilServed(() => isServed(url, probe), [etcd, apiServer, ...others], what);
  };
  const stop = async (): Promise<void> => {
    await Promise.all([...others, apiServer, etcd].map(daemon => daemon.kill()));
    await probe.destroy();
  };
  try {
    await untilServed('/readyz', 'the API server is ready');
    others.push(...startOthers(site, authority, options));
    if (options.controllerManager !== false) {
      await untilServed(DEFAULT_ACCOUNT, 'the controller manager made the default ServiceAccount');
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    async startApiServer() {
      if (apiServer.hasExited) apiServer = startApiServer(site, options);
      await untilServed('/readyz', 'the API server is ready');
    },
    stopApiServer: () => apiServer.terminate(API_SERVER_GRACE_MS),
    killApiServer: () => apiServer.kill(),
    stop,
  };
}

function startOthers(site: ControlPlaneSite, authority: Authority, options: ProgramOptions): Daemon[] {
  const identity = (name: string): string => identityFile(site, authority, name);
  return [
    ...(options.scheduler === false ? [] : [startScheduler(site, identity('kube-scheduler'))]),
    ...(options.controllerManager === false
      ? []
      : [startControllerManager(site, identity('kube-controller-manager'), options)]),
  ];
}

async function isServed(url: string, dispatcher: Agent): Promise<boolean> {
  const answer = await request(url, { dispatcher });
  await answer.body.dump();
  return answer.statusCode === 200;
}

async function waitUntilServed(
  check: () => Promise<boolean>,
  daemons: readonly Daemon[],
  what: string,
): Promise<void> {
  const ended = (): Daemon | undefined => daemons.find(daemon => daemon.hasExited);
  const answer = await eventually(async () => ended() ?? (await check()), {
    ...{ timeoutMs: READY_TIMEOUT_MS, everyMs: 50, what },
  });
  if (answer !== true) throw new Error(`a program of the control plane ended:\n${answer.logTail()}`);
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
