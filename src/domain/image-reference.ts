import { isIPv6 } from 'node:net';
import { StalledError } from './errors.ts';

/** An image in a registry, by name. */
export interface ImageReference {
  /** Lower case, with the port if one is given: `docker.io`, `registry.example:5000`, `[::1]:5000`. */
  readonly host: string;
  readonly repository: string;
  /** Absent only where a digest is given without a tag. */
  readonly tag?: string;
  /** `sha256:<hex>` or `sha512:<hex>`. Where it is given, it alone counts. */
  readonly digest?: string;
}

/** The registry of references that name none. */
export const DEFAULT_REGISTRY = 'docker.io';
const SCHEME = 'oci://';

// Grammar of the parts. @source github.com/distribution/reference, regexp.go; repository and tag: OCI distribution
// specification 1.1, "Pulling manifests"
const LABEL = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?';
const HOST = new RegExp(`^(${LABEL}(?:\\.${LABEL})*|\\[[0-9a-fA-F:.]+\\])(?::([0-9]{1,5}))?$`);
const COMPONENT = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const REPOSITORY = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`);
const MAX_REPOSITORY = 255;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const DIGEST = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

/** Tells whether a text is a digest that can be checked: `sha256:` or `sha512:` and its hex digits, lower case. */
export const isDigest = (text: string): boolean => DIGEST.test(text);

/**
 * Reads `[host[:port]/]repository[:tag][@digest]`, as Docker does: without a host it is Docker Hub's, without a tag
 * `latest`. With `oci://` in front, what follows is a host in any case.
 * @param field how messages call the text: the name of the field that holds it
 * @throws StalledError `ReferenceInvalid`, which tells the part that is wrong and never holds a password
 */
export function parseImageReference(text: string, field = 'the image reference'): ImageReference {
  const rest = text.startsWith(SCHEME) ? text.slice(SCHEME.length) : text;
  if (rest === '') throw invalid(field, 'is empty');
  if (rest.includes('://')) throw invalid(field, 'is a web address: leave its scheme out');
  const { name, digest } = splitDigest(rest, field);
  const { host, path } = splitHost(name, text.startsWith(SCHEME), field);
  const { repository, tag } = splitTag(path);
  checkHost(host, field);
  checkRepository(repository, field);
  if (tag !== undefined && !TAG.test(tag)) {
    throw invalid(field, `has the tag ${quote(tag)}: a tag has up to 128 letters, digits, "_", "." and "-"`);
  }
  const effectiveTag = tag ?? (digest === undefined ? 'latest' : undefined);
  return {
    ...canonical(host.toLowerCase(), repository),
    ...(effectiveTag !== undefined && { tag: effectiveTag }),
    ...(digest !== undefined && { digest }),
  };
}

/** The reference in full, for messages and for comparing: with host, and with what selects the image. */
export const formatImageReference = ({ host, repository, tag, digest }: ImageReference): string =>
  `${host}/${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;

function splitDigest(text: string, field: string): { name: string; digest?: string } {
  const slash = text.indexOf('/');
  const at = text.lastIndexOf('@');
  // user:password@host/…: said before anything of it could stand in a message.
  if (at >= 0 && text.indexOf('@') < slash) {
    throw invalid(field, 'holds a user or a password: put those into a pull secret');
  }
  if (at < 0) return { name: text };
  const digest = text.slice(at + 1);
  if (isDigest(digest)) return { name: text.slice(0, at), digest };
  throw invalid(
    field,
    `has the digest ${quote(digest)}: give sha256: and 64 hex digits, or sha512: and 128, in lower case`,
  );
}

function splitHost(name: string, isAddress: boolean, field: string): { host: string; path: string } {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  if (isAddress) {
    if (slash < 0) throw invalid(field, 'names no repository: give oci://host/repository:tag');
    return { host: first, path: name.slice(slash + 1) };
  }
  // What cannot be the beginning of a repository is a host.
  const isHost = /[.:[]/.test(first) || first === 'localhost' || first.toLowerCase() !== first;
  return isHost ? { host: first, path: name.slice(slash + 1) } : { host: DEFAULT_REGISTRY, path: name };
}

function splitTag(path: string): { repository: string; tag?: string } {
  const colon = path.lastIndexOf(':');
  return colon < 0 || path.indexOf('/', colon) >= 0
    ? { repository: path }
    : { repository: path.slice(0, colon), tag: path.slice(colon + 1) };
}

function checkHost(host: string, field: string): void {
  const [, name = '', port] = HOST.exec(host) ?? [];
  if (name === '' || (name.startsWith('[') && !isIPv6(name.slice(1, -1)))) {
    throw invalid(field, `has the host ${quote(host)}: give a name or an address, with :port where needed`);
  }
  if (port !== undefined && (Number(port) === 0 || Number(port) > 65_535)) {
    throw invalid(field, `has the port ${port}: give 1 to 65535`);
  }
}

function checkRepository(repository: string, field: string): void {
  if (REPOSITORY.test(repository) && repository.length <= MAX_REPOSITORY) return;
  throw invalid(
    field,
    `has the repository ${quote(repository)}: its parts have lower case letters and digits, with ".", "_" or "-" ` +
      `between them, and "/" between the parts; ${MAX_REPOSITORY} characters at most`,
  );
}

/** Docker Hub by its one name, and the folder in which it keeps what has none. */
function canonical(host: string, repository: string): { host: string; repository: string } {
  if (host !== DEFAULT_REGISTRY && host !== 'index.docker.io') return { host, repository };
  const isOfficial = !repository.includes('/');
  return { host: DEFAULT_REGISTRY, repository: isOfficial ? `library/${repository}` : repository };
}

const quote = (part: string): string => JSON.stringify(part.length > 100 ? `${part.slice(0, 100)}…` : part);

const invalid = (field: string, what: string): StalledError =>
  new StalledError('ReferenceInvalid', `${field} ${what}`);
