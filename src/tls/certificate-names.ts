import { isIP } from 'node:net';

/** One name that a server is reached by. */
export type ServerName =
  | { readonly type: 'dns'; readonly value: string }
  | { readonly type: 'ip'; readonly value: string };

const LABEL = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
const DNS_NAME = new RegExp(`^(?:\\*\\.)?${LABEL}(?:\\.${LABEL})*$`);
const MAX_DNS_NAME = 253;

/**
 * Reads a host name (`images.example.com`, `*.example.com`) or an IP address (IPv6 with or without brackets).
 * @returns what is wrong with it, as a sentence's end, if it is neither
 */
export function parseServerName(text: string): ServerName | string {
  const bare = text.replace(/^\[(.*)\]$/, '$1');
  if (isIP(bare) !== 0)
    return bare.includes('%') ? 'has a zone, which belongs to one machine' : { type: 'ip', value: bare };
  if (/[:/]/.test(text)) return 'must be a name or an address alone, without scheme, port and path';
  const name = text.toLowerCase();
  if (/^[\d.]+$/.test(name)) return 'is no IP address';
  if (!DNS_NAME.test(name) || name.length > MAX_DNS_NAME)
    return 'is no host name: letters, digits and "-" between dots (other scripts in their xn-- form)';
  return { type: 'dns', value: name };
}

/** Names that `ctl certs create` gives to files of its own. */
const TAKEN = ['ca', 'server'];

/**
 * Whether a client may be called so: it becomes the name of its files and the subject of its certificate.
 * @returns what is wrong with it, as a sentence's end
 */
export function clientNameProblem(name: string): string | undefined {
  if (TAKEN.includes(name.toLowerCase())) return 'is the name of another file: choose another';
  if (/^[A-Za-z0-9](?:[\w.-]{0,62}\w)?$/.test(name)) return undefined;
  return 'must have letters, digits, "-", "_" and "." alone, 64 at most, as files are named after it';
}
