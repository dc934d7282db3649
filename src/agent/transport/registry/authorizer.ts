import { StalledError } from '../../../domain/errors.ts';
import type { Challenge } from './challenge.ts';
import type { Credential } from './credentials.ts';

/** Gets a token for a credential; undefined if the token server does not accept it. */
export type TokenSource = (
  challenge: Challenge,
  credential: Credential,
  signal: AbortSignal,
) => Promise<string | undefined>;

/** The way into one registry host: which credential, and the header that shows it. */
export interface Authorizer {
  /** What to send now; undefined for nothing. */
  header(): string | undefined;
  /** Begins the attempts of one request. */
  attempts(): {
    /** Another header for the same request, after it was refused; false if there is none. */
    next(challenges: readonly Challenge[], signal: AbortSignal): Promise<boolean>;
  };
}

/**
 * Goes through the credentials that fit until one is let in, and stays with it. A token that has expired is replaced.
 * @param credentials the likeliest first
 */
export function createAuthorizer(credentials: readonly Credential[], getToken: TokenSource): Authorizer {
  let at = 0;
  let shown: string | undefined;
  let known: readonly Challenge[] = [];
  return {
    header: () => shown,
    attempts: () => {
      // Each credential is shown afresh once for a request: then it is not its age that is refused.
      let current = at;
      let isFresh = false;
      return {
        next: async (challenges, signal) => {
          if (challenges.length > 0) known = challenges;
          if (isFresh) current++;
          for (; current < credentials.length; current++) {
            const credential = credentials[current];
            if (credential === undefined) break;
            const header = await headerFor(known, credential, { getToken, signal });
            if (header === undefined) continue;
            [at, shown, isFresh] = [current, header, true];
            return true;
          }
          [at, shown] = [0, undefined];
          return false;
        },
      };
    },
  };
}

interface Means {
  readonly getToken: TokenSource;
  readonly signal: AbortSignal;
}

async function headerFor(
  challenges: readonly Challenge[],
  credential: Credential,
  { getToken, signal }: Means,
): Promise<string | undefined> {
  const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
  if (bearer !== undefined) {
    const token =
      credential.kind === 'bearer' ? credential.token : await getToken(bearer, credential, signal);
    return token === undefined ? undefined : `Bearer ${checked(token)}`;
  }
  const isBasic = challenges.some(({ scheme }) => scheme === 'basic');
  return isBasic && credential.kind === 'password' ? basicHeader(credential) : undefined;
}

/** @throws StalledError `AccessDenied` for what cannot stand in a header */
function checked(token: string): string {
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new StalledError('AccessDenied', 'the token for the registry holds characters that no token has');
}

/** The header that shows user and password. */
export const basicHeader = ({ user, password }: { user: string; password: string }): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
