import { parse, TomlError } from 'smol-toml';
import { z } from 'zod';
import { StalledError } from '../../../domain/errors.ts';

/** One host that a registry's images may be fetched from, as `hosts.toml` describes it. */
export interface HostEntry {
  /** Address of the API, `/v2` and the like included; absent for the registry's own. */
  readonly base?: URL;
  readonly canPull: boolean;
  /** May be asked which digest a tag stands for. */
  readonly canResolve: boolean;
  /** Files as they are written there. */
  readonly caFiles: readonly string[];
  readonly clientFiles: readonly { readonly cert: string; readonly key: string }[];
  /** It asks for connections that are not verified, which are never made. */
  readonly skipVerify: boolean;
  /** Settings that are not supported. */
  readonly ignored: readonly string[];
}

const Texts = z.union([z.string().transform(text => [text]), z.array(z.string())]);
const Pair = z.union([
  z.string().transform(cert => ({ cert, key: cert })),
  z
    .array(z.string())
    .min(1)
    .max(2)
    .transform(([cert = '', key = '']) => ({ cert, key: key || cert })),
]);
const Host = z.looseObject({
  capabilities: z.array(z.string()).optional(),
  ca: Texts.default([]),
  client: z.union([z.string().transform(cert => [{ cert, key: cert }]), z.array(Pair)]).default([]),
  skip_verify: z.boolean().default(false),
  override_path: z.boolean().default(false),
});
type Host = z.infer<typeof Host>;
const HostsFile = Host.extend({
  server: z.string().default(''),
  host: z.record(z.string(), Host).default({}),
});
const SUPPORTED = new Set([...Object.keys(Host.shape), 'server', 'host']);

/**
 * Reads containerd's `hosts.toml`: the mirrors in their order, and the server at last.
 * @param file for messages
 * @throws StalledError `RegistryConfigInvalid`, with the line or the field
 * @source github.com/containerd/containerd, docs/hosts.md
 */
export function parseHostsToml(text: string, file: string): HostEntry[] {
  const read = HostsFile.safeParse(parseToml(text, file));
  if (!read.success) throw invalid(file, z.prettifyError(read.error), read.error);
  const { server, host } = read.data;
  return [
    ...Object.entries(host).map(([address, settings]) => toEntry(address, settings, file)),
    toEntry(server, read.data, file),
  ];
}

function parseToml(text: string, file: string): unknown {
  try {
    return parse(text);
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    throw invalid(file, `line ${cause.line}: ${cause.message.split('\n')[0]}`, cause);
  }
}

function toEntry(address: string, settings: Host, file: string): HostEntry {
  const base = address === '' ? undefined : baseOf(address, settings.override_path, file);
  const able = settings.capabilities;
  return {
    ...(base !== undefined && { base }),
    canPull: able === undefined || able.includes('pull'),
    canResolve: able === undefined || able.includes('resolve'),
    caFiles: settings.ca,
    clientFiles: settings.client,
    skipVerify: settings.skip_verify,
    ignored: Object.keys(settings).filter(key => !SUPPORTED.has(key)),
  };
}

function baseOf(address: string, isWhole: boolean, file: string): URL {
  const url = URL.parse(address.includes('://') ? address : `https://${address}`);
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.search !== '') {
    throw invalid(file, 'a host or the server is no http(s) address, or holds a password or a query');
  }
  const path = url.pathname.replace(/\/+$/, '');
  url.pathname = isWhole || path.endsWith('/v2') ? path : `${path}/v2`;
  return url;
}

const invalid = (file: string, problem: string, cause?: unknown): StalledError =>
  new StalledError('RegistryConfigInvalid', `${file}: ${problem}`, { cause });
