import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { type Command, InvalidArgumentError } from 'commander';
import type { Logger } from 'winston';
import packageJson from '../../package.json' with { type: 'json' };
import { CONTROLLER_NAME, SYSTEM_NAMESPACE } from '../api/monok8s/index.ts';
import { MAX_CATALOG_BYTES } from '../domain/catalog-document.ts';
import { systemClock } from '../domain/clock.ts';
import { StalledError } from '../domain/errors.ts';
import { parseVersion } from '../domain/version.ts';
import { fetchText } from '../http/fetch-text.ts';
import { startProbeServer } from '../http/probe-server.ts';
import { createKubeClient, type FullKubeClient } from '../kube/client.ts';
import { loadConnection } from '../kube/connection.ts';
import { createEventRecorder } from '../kube/events.ts';
import { runWithLeadership } from '../kube/leader-election.ts';
import { runController } from '../reconcilers/controller.ts';
import { createMetrics } from '../reconcilers/metrics.ts';
import type { CliContext } from './context.ts';
import { createProgramLog } from './program-log.ts';

interface ControllerFlags {
  readonly namespace: string;
  readonly allowHttpCatalogs: boolean;
  readonly catalogCa?: string;
  readonly leaseSeconds: number;
  readonly timeZone: string;
  readonly osNamespaces?: readonly string[];
  readonly metricsAddress?: string;
  /** Of the whole program. */
  readonly kubeconfig?: string;
}

const LEASE_SECONDS = 15;

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (Number.isInteger(seconds) && seconds >= 3) return seconds;
  throw new InvalidArgumentError('It must be a whole number of at least 3.');
}

/** Adds `ctl controller`, which runs until SIGTERM. Several may run: one leads, the others stand by. */
export function registerController(program: Command, { signal }: Pick<CliContext, 'signal'>): void {
  program
    .command('controller')
    .summary('run the controller (what the Deployment os-controller runs)')
    .description(
      'Turns OSUpgrade and OS objects into plans for nodes: which node may begin, when it is drained and rebooted. One of several leads.',
    )
    .option('--namespace <name>', 'where the Lease, the agents and ConfigMap catalogs are', SYSTEM_NAMESPACE)
    .option('--allow-http-catalogs', 'fetch spec.catalog.url over plain http too', false)
    .option('--catalog-ca <file>', "certificates (PEM) to trust for catalogs instead of the system's roots")
    .option(
      '--lease-seconds <n>',
      'a standby takes over after so long a silence',
      parseSeconds,
      LEASE_SECONDS,
    )
    .option(
      '--time-zone <name>',
      'zone of time windows that name none',
      Intl.DateTimeFormat().resolvedOptions().timeZone,
    )
    .option(
      '--os-namespaces <name...>',
      'serve OS objects of these namespaces alone, for example: --os-namespaces default kubeos',
    )
    .option('--metrics-address <address>', 'serve /healthz, /readyz and /metrics there, for example :8080')
    .action(async (_flags: unknown, command: Command) =>
      serve(command.optsWithGlobals<ControllerFlags>(), signal),
    );
}

async function serve(flags: ControllerFlags, signal: AbortSignal): Promise<void> {
  const log = createProgramLog(process.env.LOG_LEVEL);
  const connection = await loadConnection({ kubeconfig: flags.kubeconfig, environment: process.env });
  const client = createKubeClient(connection, {
    log,
    userAgent: `${CONTROLLER_NAME}/${packageJson.version}`,
  });
  try {
    await introduce(client, log, signal);
    await lead(client, flags, log, signal);
    log.info('controller ends');
  } finally {
    await client.close();
  }
}

const OLDEST = { major: 1, minor: 31 } as const;

async function introduce(client: FullKubeClient, log: Logger, signal: AbortSignal): Promise<void> {
  const [server, { username }] = await Promise.all([
    client.serverVersion({ signal }),
    client.whoAmI({ signal }),
  ]);
  log.info('controller starts', { version: packageJson.version, server, username });
  const version = parseVersion(server.replace(/[-+].*$/, ''));
  if (version === undefined || version.major > OLDEST.major || version.minor >= OLDEST.minor) return;
  throw new StalledError(
    'KubernetesTooOld',
    `the API server is ${server}: Kubernetes 1.31 or later is needed (selectable fields); upgrade the control plane first`,
  );
}

async function lead(
  client: FullKubeClient,
  flags: ControllerFlags,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const { namespace, timeZone, osNamespaces = [], allowHttpCatalogs: allowHttp, leaseSeconds } = flags;
  const ca = flags.catalogCa === undefined ? {} : { ca: await readFile(flags.catalogCa, 'utf8') };
  const shared = { client, clock: systemClock, random: Math.random, log };
  const identity = `${hostname()}_${process.pid}_${Math.random().toString(36).slice(2, 10)}`;
  const events = createEventRecorder({ ...shared, component: CONTROLLER_NAME, instance: hostname() });
  const metrics = createMetrics();
  const endProbes = await startProbes(flags.metricsAddress, metrics.text, log);
  const work: Parameters<typeof runWithLeadership>[1] = async (leadership, leading) => {
    const fetchCatalog = (url: string) =>
      fetchText(url, { signal: leading, allowHttp, maxBytes: MAX_CATALOG_BYTES, ...ca });
    const bounds = { leadership, signal: leading, namespace, osNamespaces, timeZone };
    await runController({ ...shared, ...bounds, events, fetchCatalog, onReady: metrics.observe }).finally(
      () => metrics.observe(undefined),
    );
    await events.flush();
  };
  const timing = { leaseMs: leaseSeconds * 1000, renewMs: leaseSeconds * 667, retryMs: leaseSeconds * 133 };
  try {
    await runWithLeadership(
      { ...shared, ...timing, leaseName: CONTROLLER_NAME, namespace, identity },
      work,
      signal,
    );
  } finally {
    endProbes();
  }
}

async function startProbes(
  address: string | undefined,
  metrics: () => Promise<string>,
  log: Logger,
): Promise<() => void> {
  if (address === undefined) return () => undefined;
  // A standby is as ready as the leader: it would take over.
  const end = await startProbeServer({ address, isReady: () => true, metrics });
  log.info('probes served', { address });
  return end;
}
