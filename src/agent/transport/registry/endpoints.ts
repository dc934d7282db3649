import { isAbsolute, join } from 'node:path';
import type { Logger } from 'winston';
import { isLoopbackHost } from '../../../domain/address.ts';
import { StalledError } from '../../../domain/errors.ts';
import { DEFAULT_REGISTRY } from '../../../domain/image-reference.ts';
import { hostPath } from '../../host/host-path.ts';
import { createHostFiles, type HostFiles, isMissing } from './host-files.ts';
import { type HostEntry, parseHostsToml } from './hosts-toml.ts';
import { findTrustFiles, readTrust, type Trust } from './trust.ts';

/** A server that the images of one registry may be fetched from. */
export interface Endpoint {
  /** Address of its API, without a slash at the end: `https://registry.example/v2`. */
  readonly base: URL;
  readonly canPull: boolean;
  readonly canResolve: boolean;
  /** The registry that it stands in for, if it is a mirror. */
  readonly mirrorOf?: string;
  /** Plain http will do if the server does not speak TLS: it is on this machine. */
  readonly mayFallBack: boolean;
  readonly trust: Trust;
  /** Where a person puts the authority of its certificate. */
  readonly caDir: string;
}

/** Where the configuration of registries lies. */
export interface EndpointParts {
  readonly hostRoot: string;
  /** Folders such as containerd's `certs.d`, as this process opens them. */
  readonly configDirs: readonly string[];
  readonly log: Logger;
}

const OWN_ENTRY: HostEntry = {
  canPull: true,
  canResolve: true,
  caFiles: [],
  clientFiles: [],
  skipVerify: false,
  ignored: [],
};

/**
 * Where the images of a registry are fetched from: mirrors in their order, then the registry itself.
 * @param host as an image reference has it
 * @throws StalledError `RegistryConfigInvalid`, `CertificateInvalid`
 */
export async function readEndpoints(parts: EndpointParts, host: string): Promise<Endpoint[]> {
  const files = createHostFiles(parts.hostRoot);
  const { entries, dir } = await readEntries(files, parts.configDirs, host);
  const endpoints: Endpoint[] = [];
  for (const entry of entries) {
    const base = canonical(entry.base ?? ownBase(host));
    const where = { host: base.host, registry: host };
    if (entry.ignored.length > 0)
      parts.log.warn('settings of a registry host are ignored', { ...where, settings: entry.ignored });
    if (base.protocol === 'http:' && !isLoopbackHost(base.hostname))
      parts.log.warn('registry address is insecure', { ...where, address: base.href });
    if (entry.skipVerify && base.protocol === 'https:') {
      parts.log.warn('registry host is left out: skip_verify is not supported, name its ca', where);
      continue;
    }
    endpoints.push(await toEndpoint(parts, { files, entry, base, host, dir }));
  }
  if (endpoints.length > 0) return endpoints;
  throw new StalledError(
    'CertificateInvalid',
    `${host}: all its hosts have skip_verify, which is not supported: name the authority of the certificate as ca in ` +
      `${files.shown(join(dir ?? '', 'hosts.toml'))}`,
  );
}

interface Found {
  readonly entries: readonly HostEntry[];
  /** The folder of the `hosts.toml` that was read. */
  readonly dir?: string;
}

async function readEntries(files: HostFiles, configDirs: readonly string[], host: string): Promise<Found> {
  for (const configDir of configDirs) {
    const dir = await folderOf(files, configDir, host);
    if (dir === undefined) continue;
    const file = join(dir, 'hosts.toml');
    const text = await files.readText(file).catch((cause: unknown) => {
      if (isMissing(cause)) return '';
      throw unreadable(files.shown(file), cause);
    });
    if (text.trim() !== '') return { entries: parseHostsToml(text, files.shown(file)), dir };
  }
  return { entries: [OWN_ENTRY] };
}

interface Source {
  readonly files: HostFiles;
  readonly entry: HostEntry;
  readonly base: URL;
  readonly host: string;
  readonly dir: string | undefined;
}

async function toEndpoint(parts: EndpointParts, source: Source): Promise<Endpoint> {
  const { files, entry, base, host, dir } = source;
  const isMirror = base.host !== ownBase(host).host;
  const inHosts = (path: string) =>
    isAbsolute(path) ? hostPath(parts.hostRoot, path) : join(dir ?? '', path);
  const name = isMirror ? base.host : host;
  const folders = await Promise.all(parts.configDirs.map(configDir => folderOf(files, configDir, name)));
  const named = folders.filter(folder => folder !== undefined);
  const found = await Promise.all(named.map(folder => findTrustFiles(files, folder)));
  const trust = await readTrust(files, {
    ca: [...entry.caFiles.map(inHosts), ...found.flatMap(({ ca }) => ca)],
    client: [
      ...entry.clientFiles.map(({ cert, key }) => ({ cert: inHosts(cert), key: inHosts(key) })),
      ...found.flatMap(({ client }) => client),
    ],
  });
  const isOpen = entry.base === undefined && isLoopbackHost(base.hostname) && trust.ca.length === 0;
  return {
    base,
    canPull: entry.canPull,
    canResolve: entry.canResolve,
    ...(isMirror && { mirrorOf: host }),
    mayFallBack: isOpen,
    trust,
    caDir: files.shown(join(parts.configDirs[0] ?? '/etc/containerd/certs.d', name)),
  };
}

const ownBase = (host: string): URL => canonical(new URL(`https://${host}/v2`));

/** Docker Hub's name is not that of its registry. */
function canonical(base: URL): URL {
  const url = new URL(base);
  if (url.hostname === DEFAULT_REGISTRY) url.hostname = 'registry-1.docker.io';
  return url;
}

/** Folder names of a registry, the likeliest first. @source containerd, docs/hosts.md, "Port Handling" */
function namesOf(host: string): string[] {
  const withPort = host.replace(/:(\d+)$/, '_$1_');
  return [...new Set([withPort, host, '_default'])];
}

async function folderOf(files: HostFiles, configDir: string, host: string): Promise<string | undefined> {
  for (const name of namesOf(host))
    if (await files.isFolder(join(configDir, name))) return join(configDir, name);
  return undefined;
}

const unreadable = (file: string, cause: unknown): StalledError =>
  new StalledError('RegistryConfigInvalid', `${file} cannot be read`, { cause });
