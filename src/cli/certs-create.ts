import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { StalledError } from '../domain/errors.ts';
import {
  authorityProblem,
  type CertificatePair,
  expiryOf,
  issueCertificate,
  makeAuthority,
  type Validity,
} from '../tls/certificate-maker.ts';
import type { ServerName } from '../tls/certificate-names.ts';
import { adviceLines } from './certs-advice.ts';
import { assertAbsent, readPair, writePairs } from './certs-files.ts';
import { type CliContext, note } from './context.ts';

/** What the command line asks for. */
export interface CertsOptions {
  readonly out: string;
  readonly server?: readonly ServerName[];
  readonly client?: string;
  readonly days: number;
  readonly force?: boolean;
}

const DAY_MS = 86_400_000;
const AUTHORITY_DAYS = 3650;
const DEFAULT_CLIENT = 'client';

/**
 * Makes the certificates that are asked for, and tells what to do with them.
 * @throws StalledError `FileExists`, `AuthorityUnfit`, `FileUnwritable`
 */
export async function createCertificates(options: CertsOptions, context: CliContext): Promise<void> {
  const { out, server, days, force = false } = options;
  const nowMs = context.clock.nowMs();
  const found = await readAuthority(out, nowMs);
  // The first call makes all that a server and its nodes need.
  const client = options.client ?? (found ? undefined : DEFAULT_CLIENT);
  const names = [...(found ? [] : ['ca']), ...(server ? ['server'] : []), ...(client ? [client] : [])];
  if (!force) await assertAbsent(out, names);
  const authority = found ?? (await makeAuthority(newAuthorityName(), validFor(AUTHORITY_DAYS, nowMs)));
  const validity = within(validFor(days, nowMs), authority);
  const pairs = new Map<string, CertificatePair>();
  if (!found) pairs.set('ca', authority);
  if (server)
    pairs.set('server', await issueCertificate(authority, { type: 'server', names: server }, validity));
  if (client)
    pairs.set(client, await issueCertificate(authority, { type: 'client', name: client }, validity));
  await writePairs(out, pairs, force);
  const advice = adviceLines({
    dir: out,
    names,
    server,
    client,
    notAfter: validity.notAfter,
    isNewAuthority: !found,
  });
  for (const line of advice) note(context, line);
}

/** The authority that is in the folder. Half of one, or one that cannot sign, is no reason to make another. */
async function readAuthority(dir: string, nowMs: number): Promise<CertificatePair | undefined> {
  const pair = await readPair(dir, 'ca');
  if (pair === undefined) return undefined;
  const problem = authorityProblem(pair, nowMs);
  if (problem === undefined) return pair;
  throw new StalledError(
    'AuthorityUnfit',
    `${join(dir, 'ca.crt')} ${problem}: take another folder for a new authority`,
  );
}

/** Two authorities in one list of trusted ones must be told apart by their names. */
const newAuthorityName = (): string => `twinslot image authority ${randomBytes(4).toString('hex')}`;

/** From yesterday, for machines whose clock is behind. */
const validFor = (days: number, nowMs: number): Validity => ({
  notBefore: new Date(nowMs - DAY_MS),
  notAfter: new Date(nowMs + days * DAY_MS),
});

/** A certificate counts no longer than the one that signed it. */
function within({ notBefore, notAfter }: Validity, authority: CertificatePair): Validity {
  const end = expiryOf(authority.cert);
  return { notBefore, notAfter: end < notAfter ? end : notAfter };
}
