import { readFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { type Clock, systemClock } from '../domain/clock.ts';
import { messageOf, StalledError } from '../domain/errors.ts';
import { type KubeconfigUser, parseKubeconfig, type TlsMaterial } from './kubeconfig.ts';

/** Where the API server is, how to trust it, and who we are to it. */
export interface Connection {
  /** `https://host:port`, with a path prefix if the API server has one. */
  readonly server: string;
  readonly tls: TlsMaterial;
  /** Namespace of the kubeconfig's context or of the pod; `default` if neither says. */
  readonly namespace: string;
  /** Value of the `Authorization` header, if any. `isStale` reads a token file again at once. */
  authorization(isStale?: boolean): Promise<string | undefined>;
}

/** Where to look for the connection. */
export interface ConnectionOptions {
  /** Path of a kubeconfig. It wins over everything else. */
  readonly kubeconfig?: string | undefined;
  /** The process's environment: `KUBECONFIG`, `HOME`, `KUBERNETES_SERVICE_HOST` and `…_PORT` are looked at. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly clock?: Clock;
  /** Folder of the ServiceAccount's credentials in a pod. */
  readonly serviceAccountDir?: string;
}

const SERVICE_ACCOUNT_DIR = '/var/run/secrets/kubernetes.io/serviceaccount';
const TOKEN_AGE_MS = 60_000;

/**
 * Finds the API server: an explicit kubeconfig, `KUBECONFIG`, the ServiceAccount of the pod, `~/.kube/config`, in
 * this order.
 * @throws StalledError `KubeconfigMissing`, `KubeconfigInvalid`, `KubeconfigUnsupported`
 */
export async function loadConnection(options: ConnectionOptions = {}): Promise<Connection> {
  const { kubeconfig, environment = {}, clock = systemClock } = options;
  const named = kubeconfig ?? environment.KUBECONFIG;
  if (named) return fromKubeconfig(named.split(delimiter).filter(Boolean), clock);
  const host = environment.KUBERNETES_SERVICE_HOST;
  if (host) {
    const port = environment.KUBERNETES_SERVICE_PORT ?? '443';
    return fromServiceAccount(serverUrl(host, port), options.serviceAccountDir ?? SERVICE_ACCOUNT_DIR, clock);
  }
  if (environment.HOME) return fromKubeconfig([join(environment.HOME, '.kube', 'config')], clock);
  throw new StalledError(
    'KubeconfigMissing',
    'no API server is known: give --kubeconfig, set KUBECONFIG, or run in a pod with a ServiceAccount',
  );
}

const serverUrl = (host: string, port: string): string =>
  host.includes(':') ? `https://[${host}]:${port}` : `https://${host}:${port}`;

async function fromServiceAccount(server: string, dir: string, clock: Clock): Promise<Connection> {
  const [ca, namespace] = await Promise.all([
    readText(join(dir, 'ca.crt')),
    readText(join(dir, 'namespace')),
  ]);
  return {
    server,
    tls: { ca },
    namespace: namespace.trim(),
    authorization: bearerFromFile(join(dir, 'token'), clock),
  };
}

async function fromKubeconfig(paths: readonly string[], clock: Clock): Promise<Connection> {
  const texts = await Promise.all(paths.map(async path => ({ path, text: await readText(path) })));
  const { server, namespace, tls, user, merged } = await parseKubeconfig(texts, readText);
  if (user.type === 'plugin') return fromPlugin({ server, namespace, tls }, merged);
  return { server, namespace, tls, authorization: authorizationOf(user, clock) };
}

/** Exec plugins, OIDC and the like are left to the official client, which is loaded for them alone: it is big. */
async function fromPlugin(
  base: Omit<Connection, 'authorization'>,
  kubeconfigText: string,
): Promise<Connection> {
  const { KubeConfig } = await import('./client-library.ts');
  const config = new KubeConfig();
  config.loadFromString(kubeconfigText);
  const ask = async () => {
    const request: Parameters<typeof config.applyToHTTPSOptions>[0] = { headers: {} };
    await config.applyToHTTPSOptions(request);
    return request;
  };
  const { cert, key } = await ask();
  return {
    ...base,
    tls: { ...base.tls, ...(cert ? { cert: String(cert) } : {}), ...(key ? { key: String(key) } : {}) },
    authorization: async () => {
      const headers = new Map(Object.entries((await ask()).headers ?? {}));
      const value = headers.get('Authorization') ?? headers.get('authorization');
      return value === undefined ? undefined : String(value);
    },
  };
}

function authorizationOf(user: KubeconfigUser, clock: Clock): Connection['authorization'] {
  if (user.type === 'tokenFile') return bearerFromFile(user.path, clock);
  const value = user.type === 'token' ? `Bearer ${user.token}` : undefined;
  return async () => value;
}

/** A mounted token is replaced by the kubelet, long before it ends: it is read again, but not for every call. */
function bearerFromFile(path: string, clock: Clock): Connection['authorization'] {
  let cached: { value: string; readAtMs: number } | undefined;
  return async isStale => {
    const nowMs = clock.monotonicMs();
    if (!cached || isStale || nowMs - cached.readAtMs >= TOKEN_AGE_MS)
      cached = { value: `Bearer ${(await readText(path)).trim()}`, readAtMs: nowMs };
    return cached.value;
  };
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new StalledError('KubeconfigMissing', `cannot read ${path}: ${messageOf(cause)}`, { cause });
  }
}
