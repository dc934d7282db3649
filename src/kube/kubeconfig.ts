import { dirname, resolve } from 'node:path';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { StalledError } from '../domain/errors.ts';

/** PEM texts for the TLS connection. Without `ca`, the system's roots are trusted. */
export interface TlsMaterial {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
}

/** How a kubeconfig's user proves who they are, beside a client certificate. */
export type KubeconfigUser =
  | { readonly type: 'none' | 'plugin' }
  | { readonly type: 'token'; readonly token: string }
  | { readonly type: 'tokenFile'; readonly path: string };

/** What a kubeconfig says about its current context. */
export interface Kubeconfig {
  readonly server: string;
  readonly namespace: string;
  readonly tls: TlsMaterial;
  readonly user: KubeconfigUser;
  /** All files as one kubeconfig text with absolute paths. */
  readonly merged: string;
}

const Text = z.string().min(1).optional();
const ClusterFields = z.looseObject({
  server: z.string().regex(/^https?:\/\//),
  'certificate-authority': Text,
  'certificate-authority-data': Text,
  'tls-server-name': Text,
  'insecure-skip-tls-verify': z.boolean().optional(),
  'proxy-url': Text,
});
const UserFields = z.looseObject({
  token: Text,
  tokenFile: Text,
  'client-certificate': Text,
  'client-certificate-data': Text,
  'client-key': Text,
  'client-key-data': Text,
  exec: z.unknown().optional(),
  'auth-provider': z.unknown().optional(),
  username: Text,
});
const ContextFields = z.looseObject({ cluster: z.string(), user: z.string().optional(), namespace: Text });
const File = z.looseObject({
  'current-context': z.string().optional(),
  clusters: z.array(z.looseObject({ name: z.string(), cluster: ClusterFields })).nullish(),
  users: z.array(z.looseObject({ name: z.string(), user: UserFields.nullish() })).nullish(),
  contexts: z.array(z.looseObject({ name: z.string(), context: ContextFields })).nullish(),
});
type File = z.infer<typeof File>;

/** One kubeconfig file. */
export interface KubeconfigText {
  readonly path: string;
  readonly text: string;
}

/**
 * Reads one or several kubeconfig files (as `KUBECONFIG` lists them: the first file that names something wins).
 * @param readText reads a certificate or key file
 * @throws StalledError `KubeconfigInvalid`, `KubeconfigUnsupported`
 */
export async function parseKubeconfig(
  files: readonly KubeconfigText[],
  readText: (path: string) => Promise<string>,
): Promise<Kubeconfig> {
  const all = merge(files.map(parseFile));
  const context = all.contexts?.find(c => c.name === all['current-context'])?.context;
  if (!context) throw invalid(files, 'current-context names no context');
  const cluster = all.clusters?.find(c => c.name === context.cluster)?.cluster;
  if (!cluster) throw invalid(files, `there is no cluster ${context.cluster}`);
  const user = all.users?.find(u => u.name === context.user)?.user ?? { exec: undefined };
  refuseUnsupported(cluster);
  const [ca, cert, key] = await Promise.all([
    pem(cluster['certificate-authority-data'], cluster['certificate-authority'], readText),
    pem(textOf(user, 'client-certificate-data'), textOf(user, 'client-certificate'), readText),
    pem(textOf(user, 'client-key-data'), textOf(user, 'client-key'), readText),
  ]);
  const servername = cluster['tls-server-name'];
  return {
    server: cluster.server.replace(/\/+$/, ''),
    namespace: context.namespace ?? 'default',
    tls: { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }), ...(servername && { servername }) },
    user: userOf(user),
    merged: stringify(all),
  };
}

const invalid = (files: readonly KubeconfigText[], what: string): StalledError =>
  new StalledError('KubeconfigInvalid', `${files.map(f => f.path).join(', ')}: ${what}`);

const textOf = (fields: Record<string, unknown>, name: string): string | undefined => {
  const value = fields[name];
  return typeof value === 'string' ? value : undefined;
};

function parseFile({ path, text }: KubeconfigText): File {
  let raw: unknown;
  try {
    raw = parse(text);
  } catch {
    // The parser quotes the line that it cannot read, and that may be a token.
    throw new StalledError('KubeconfigInvalid', `${path} is not YAML: check it with kubectl config view`);
  }
  const result = File.safeParse(raw ?? {});
  if (!result.success) {
    const places = result.error.issues.map(issue => issue.path.join('.')).join(', ');
    throw new StalledError('KubeconfigInvalid', `${path} is no kubeconfig: wrong or missing ${places}`);
  }
  return withAbsolutePaths(result.data, dirname(resolve(path)));
}

const FILE_FIELDS = ['certificate-authority', 'tokenFile', 'client-certificate', 'client-key'] as const;

function withAbsolutePaths(file: File, dir: string): File {
  for (const fields of [
    ...(file.clusters ?? []).map(c => c.cluster),
    ...(file.users ?? []).map(u => u.user ?? {}),
  ]) {
    const open: Record<string, unknown> = fields;
    for (const name of FILE_FIELDS) {
      const value = textOf(open, name);
      if (value) open[name] = resolve(dir, value);
    }
  }
  return file;
}

const merge = (files: readonly File[]): File => ({
  apiVersion: 'v1',
  kind: 'Config',
  'current-context': files.map(f => f['current-context']).find(Boolean),
  clusters: files.flatMap(f => f.clusters ?? []),
  users: files.flatMap(f => f.users ?? []),
  contexts: files.flatMap(f => f.contexts ?? []),
});

function refuseUnsupported(cluster: z.infer<typeof ClusterFields>): void {
  const refusal = cluster['insecure-skip-tls-verify']
    ? 'insecure-skip-tls-verify is refused: give certificate-authority-data instead'
    : cluster['proxy-url'] && 'proxy-url is not supported: name an address that is reached without a proxy';
  if (refusal) throw new StalledError('KubeconfigUnsupported', refusal);
}

async function pem(
  data: string | undefined,
  path: string | undefined,
  readText: (path: string) => Promise<string>,
): Promise<string | undefined> {
  if (data) return Buffer.from(data, 'base64').toString('utf8');
  return path ? readText(path) : undefined;
}

function userOf(user: Record<string, unknown>): KubeconfigUser {
  if (user.exec || user['auth-provider']) return { type: 'plugin' };
  if (user.username)
    throw new StalledError('KubeconfigUnsupported', 'username and password are refused: use a token');
  const [token, path] = [textOf(user, 'token'), textOf(user, 'tokenFile')];
  // kubectl lets the file win over the text beside it.
  if (path) return { type: 'tokenFile', path };
  return token ? { type: 'token', token } : { type: 'none' };
}
