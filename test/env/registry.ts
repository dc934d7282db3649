import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { makeTempDir, removeTempDir } from './cluster-temp-dir.ts';
import { type Authority, createAuthority } from './control-plane-certificates.ts';
import { findFreePort } from './control-plane-ports.ts';
import { type Daemon, startDaemon } from './control-plane-process.ts';
import { startTokenServer, type TokenServer } from './registry-tokens.ts';
import { REGISTRY_PASSWORD, REGISTRY_USER } from './registry-user.ts';
import { eventually } from './wait.ts';

// The registry knows bcrypt alone.
const REGISTRY_PASSWORD_HASH = '$2y$05$abcdefghijklmnopqrstuux7DVfxfgfXTmp/9Tsk6HzX2QQGjxePG';

/** How the registry is set up. */
export interface RegistryOptions {
  /** Default false: plain http. */
  readonly tls?: boolean;
  /** `password` is HTTP Basic; `token` has a token server of its own. Default: everybody may push and pull. */
  readonly auth?: 'none' | 'password' | 'token';
  /** With `tls`: clients must show a certificate that `authority` issued. */
  readonly clientCertificates?: boolean;
  /** How long tokens count. Default 300. */
  readonly tokenSeconds?: number;
  /** With `token`: who does not log in may pull. */
  readonly anonymousPull?: boolean;
}

/** Debian's docker-registry, on loopback. */
export interface Registry {
  /** `127.0.0.1:23456`, as references begin. */
  readonly host: string;
  /** `https://127.0.0.1:23456`, without a slash at the end. */
  readonly url: string;
  /** Who signed its certificate; present with `tls`. */
  readonly authority?: Authority;
  /** Present with `auth: 'token'`. */
  readonly tokens?: TokenServer;
  /** A `.dockerconfigjson` that lets in. */
  readonly dockerConfig: string;
  /** The folder with its data. */
  readonly dir: string;
  /** Asks it something as a user who may do everything in `repository`. */
  ask(repository: string, path: string, options?: AskOptions): Promise<RegistryAnswer>;
  /** The header that lets everything through in `repository`; undefined if none is needed. */
  authorization(repository: string): string | undefined;
  /** Ends it, without mercy. */
  stop(): Promise<void>;
}

/** What is asked. */
export interface AskOptions {
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
  readonly headers?: Record<string, string>;
  readonly body?: Buffer;
}

/** What came back. */
export interface RegistryAnswer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: Buffer;
}

/**
 * Starts a registry and waits until it answers.
 * @example
 * const registry = await startRegistry({ tls: true, auth: 'token' });
 * const { digest } = await pushImage(registry, {
 *   repository: 'kubeos/os', tag: 'v2', platforms: [{ layers: [{ tar, compression: 'gzip' }] }],
 * });
 * // ${registry.host}/kubeos/os:v2 can be pulled with registry.dockerConfig and registry.authority
 * await registry.stop();
 */
export async function startRegistry(options: RegistryOptions = {}): Promise<Registry> {
  const dir = makeTempDir('registry');
  const authority = options.tls || options.auth === 'token' ? createAuthority() : undefined;
  const tokens =
    options.auth === 'token' && authority !== undefined
      ? await startTokenServer(authority, options)
      : undefined;
  const { daemon, port } = await startProgram({ dir, options, authority, tokens });
  const host = `127.0.0.1:${port}`;
  const agent = new Agent({ connect: options.tls ? ownTls(authority) : {} });
  const url = `${options.tls ? 'https' : 'http'}://${host}`;
  const basic = Buffer.from(`${REGISTRY_USER}:${REGISTRY_PASSWORD}`).toString('base64');
  const authorization = (repository: string): string | undefined => {
    if (tokens !== undefined) return `Bearer ${tokens.issue(repository, ['pull', 'push'])}`;
    return options.auth === 'password' ? `Basic ${basic}` : undefined;
  };
  return {
    host,
    url,
    ...(options.tls && authority !== undefined && { authority }),
    ...(tokens !== undefined && { tokens }),
    dockerConfig: JSON.stringify({ auths: { [host]: { auth: basic } } }),
    dir,
    authorization,
    ask: async (repository, path, { method = 'GET', headers = {}, body } = {}) => {
      const shown = authorization(repository);
      const answer = await request(new URL(path, url), {
        dispatcher: agent,
        method,
        headers: { ...(shown !== undefined && { authorization: shown }), ...headers },
        ...(body !== undefined && { body }),
      });
      const bytes = Buffer.from(await answer.body.arrayBuffer());
      return { status: answer.statusCode, headers: answer.headers, body: bytes };
    },
    stop: async () => {
      await agent.destroy();
      await daemon.kill();
      await tokens?.close();
      removeTempDir(dir);
    },
  };
}

interface Setup {
  readonly dir: string;
  readonly options: RegistryOptions;
  readonly authority: Authority | undefined;
  readonly tokens: TokenServer | undefined;
}

/** Another program may take the port between its choice and its use, so several are tried. */
async function startProgram(setup: Setup): Promise<{ daemon: Daemon; port: number }> {
  for (let attempt = 1; ; attempt++) {
    const port = await findFreePort();
    const config = join(setup.dir, 'config.json');
    writeFileSync(config, JSON.stringify(settings(setup, port)));
    const daemon = startDaemon('docker-registry', ['serve', config], {
      cwd: setup.dir,
      logFile: join(setup.dir, 'registry.log'),
    });
    if (
      await answers(
        daemon,
        setup.authority,
        `${setup.options.tls ? 'https' : 'http'}://127.0.0.1:${port}/v2/`,
      )
    )
      return { daemon, port };
    if (attempt === 3) throw new Error(`docker-registry does not start: ${daemon.logTail()}`);
  }
}

/** How we connect ourselves: with a certificate, in case it is asked for. */
function ownTls(authority: Authority | undefined) {
  const { certificatePem: cert, keyPem: key } = authority?.issue({ commonName: 'tests' }) ?? {};
  return { ca: authority?.certificatePem, cert, key };
}

async function answers(daemon: Daemon, authority: Authority | undefined, url: string): Promise<boolean> {
  const agent = new Agent({ connect: ownTls(authority) });
  try {
    return await eventually(
      async () => {
        if (daemon.hasExited) return 'exited';
        const { statusCode, body } = await request(url, { dispatcher: agent });
        await body.dump();
        return statusCode === 200 || statusCode === 401 ? 'answers' : undefined;
      },
      { timeoutMs: 20_000, everyMs: 50, what: 'docker-registry answers' },
    ).then(word => word === 'answers');
  } finally {
    await agent.destroy();
  }
}

/** The registry reads YAML, and JSON is YAML. */
function settings({ dir, options, authority, tokens }: Setup, port: number): object {
  const file = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text);
    return join(dir, name);
  };
  const own = options.tls
    ? authority?.issue({ commonName: 'registry', ipAddresses: ['127.0.0.1'] })
    : undefined;
  const auth =
    tokens !== undefined
      ? { token: { ...tokens.settings, rootcertbundle: file('tokens.crt', authority?.certificatePem ?? '') } }
      : {
          htpasswd: {
            realm: 'registry',
            path: file('htpasswd', `${REGISTRY_USER}:${REGISTRY_PASSWORD_HASH}\n`),
          },
        };
  return {
    version: 0.1,
    log: { level: 'warn', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(dir, 'data') }, delete: { enabled: true } },
    http: {
      addr: `127.0.0.1:${port}`,
      ...(own !== undefined && {
        tls: {
          certificate: file('server.crt', own.certificatePem),
          key: file('server.key', own.keyPem),
          ...(options.clientCertificates && {
            clientcas: [file('clients.crt', authority?.certificatePem ?? '')],
          }),
        },
      }),
    },
    // So that a test can push an image with foreign layers.
    validation: { manifests: { urls: { allow: ['^https://'] } } },
    ...(options.auth !== undefined && options.auth !== 'none' && { auth }),
  };
}
