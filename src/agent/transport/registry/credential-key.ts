/** What a credential is for, as the keys of `auths` say it. */
interface KeyParts {
  readonly labels: readonly string[];
  readonly port: string;
  /** Without slashes at the ends; empty for the whole host. */
  readonly path: string;
}

/** Names under which Docker's own registry stands in such files. */
const DOCKER_HUB = ['docker.io', 'index.docker.io', 'registry-1.docker.io'];

/**
 * Tells how well a key of `auths` fits an image, as the kubelet and Docker do: `host`, `host:port`,
 * `https://host/v1/`, `host/path`, `*.example.com`. Each `*` stands for a part of one label.
 * @param host the registry's host, with its port if it has one
 * @returns 0 if it does not fit; more for a longer path, and for a host without wildcards
 * @source k8s.io/kubernetes/pkg/credentialprovider, URLsMatch and DockerConfig keys
 */
export function keyFit(key: string, host: string, repository: string): number {
  const [wanted, given] = [splitKey(key), splitKey(host)];
  if (wanted === undefined || given === undefined) return 0;
  const isHub = DOCKER_HUB.includes(wanted.labels.join('.')) && DOCKER_HUB.includes(given.labels.join('.'));
  if (wanted.port !== given.port || !(isHub || labelsFit(wanted.labels, given.labels))) return 0;
  if (wanted.path !== '' && !`${repository}/`.startsWith(`${wanted.path}/`)) return 0;
  return 2 + 2 * wanted.path.length + (key.includes('*') || key.includes('?') ? 0 : 1);
}

function splitKey(key: string): KeyParts | undefined {
  const [, , authority = '', rest = ''] = /^([a-zA-Z]+:\/\/)?([^/]*)(\/.*)?$/.exec(key.trim()) ?? [];
  const [, host = '', port = ''] = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(authority.toLowerCase()) ?? [];
  if (host === '') return undefined;
  // The version of the API that old keys end in says nothing about repositories.
  const path = rest.replace(/^\/v[12](?=\/|$)/, '').replaceAll(/^\/+|\/+$/g, '');
  return {
    labels: host.startsWith('[') ? [host] : host.split('.'),
    port: port === '443' ? '' : port,
    path,
  };
}

const labelsFit = (patterns: readonly string[], labels: readonly string[]): boolean =>
  patterns.length === labels.length && patterns.every((pattern, at) => labelFits(pattern, labels[at] ?? ''));

/** Compared piece by piece: a pattern made into a regular expression could be made to take for ever. */
function labelFits(pattern: string, label: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop();
  if (last === undefined) return pattern === label;
  if (!label.startsWith(first) || !label.endsWith(last) || label.length < first.length + last.length)
    return false;
  let at = first.length;
  for (const piece of rest) {
    const found = label.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return at <= label.length - last.length;
}
