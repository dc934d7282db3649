import type { Logger } from 'winston';
import { z } from 'zod';
import { errnoOf } from '../../../domain/errno.ts';
import { keyFit } from './credential-key.ts';
import { createHostFiles, type HostFiles, isMissing } from './host-files.ts';

/** How a registry, or its token server, is told who asks. */
export type Credential =
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'password'; readonly user: string; readonly password: string }
  /** Exchanged for a token by OAuth 2. */
  | { readonly kind: 'refreshToken'; readonly token: string }
  /** Shown as it is. */
  | { readonly kind: 'bearer'; readonly token: string };

/** Everything that the node knows of passwords for registries. */
export interface CredentialStore {
  /** Paths that were looked at, for messages. */
  readonly files: readonly string[];
  /** Those that fit, the likeliest first, and anonymous at last. */
  find(host: string, repository: string): Credential[];
}

const Entry = z.looseObject({
  auth: z.string().optional(),
  username: z.string().optional(),
  password: z.string().optional(),
  identitytoken: z.string().optional(),
  registrytoken: z.string().optional(),
});
type Entry = z.infer<typeof Entry>;
const DockerConfig = z.looseObject({
  auths: z.record(z.string(), Entry.nullable()).nullish(),
  credsStore: z.string().nullish(),
  credHelpers: z.record(z.string(), z.string()).nullish(),
});
type DockerConfig = z.infer<typeof DockerConfig>;

interface Known {
  readonly key: string;
  readonly credential: Credential;
}

/** Where passwords are looked for. */
export interface CredentialParts {
  readonly hostRoot: string;
  /** As this process opens them; an earlier one counts before a later one. */
  readonly authFiles: readonly string[];
  readonly log: Logger;
}

/**
 * Reads credential files in the form of `~/.docker/config.json`. One that is missing is no matter; one that cannot be
 * used, or asks for a helper program, is named in the log. Nothing of what they hold is ever told.
 */
export async function readCredentials({
  hostRoot,
  authFiles,
  log,
}: CredentialParts): Promise<CredentialStore> {
  const configs: { file: string; config: DockerConfig; known: Known[] }[] = [];
  const files = createHostFiles(hostRoot);
  for (const path of authFiles) {
    const file = files.shown(path);
    const config = await readConfig(files, path, log);
    if (config !== undefined) configs.push({ file, config, known: knownOf(config, file, log) });
  }
  return {
    files: authFiles.map(path => files.shown(path)),
    find: (host, repository) => {
      const fitting = configs.flatMap(({ known }) =>
        known
          .map(({ key, credential }) => ({ credential, fit: keyFit(key, host, repository) }))
          .filter(({ fit }) => fit > 0)
          .toSorted((a, b) => b.fit - a.fit),
      );
      if (fitting.length === 0)
        for (const { file, config } of configs) warnOfHelpers(config, { file, host, repository }, log);
      return [...fitting.map(({ credential }) => credential), { kind: 'anonymous' }];
    },
  };
}

async function readConfig(files: HostFiles, path: string, log: Logger): Promise<DockerConfig | undefined> {
  // Neither error may stand in the log: those of parsers quote what they read.
  try {
    return DockerConfig.parse(JSON.parse(await files.readText(path)));
  } catch (error) {
    if (isMissing(error)) return undefined;
    const code = errnoOf(error);
    const problem = code === '' ? 'is not in the form of ~/.docker/config.json' : `cannot be read (${code})`;
    log.warn('credential file is not used', { file: files.shown(path), problem });
    return undefined;
  }
}

const knownOf = (config: DockerConfig, file: string, log: Logger): Known[] =>
  Object.entries(config.auths ?? {}).flatMap(([key, entry]) => {
    const credential = credentialOf(entry ?? {});
    if (credential === 'unreadable') {
      log.warn('credential is not used', { file, key, problem: 'auth is not base64 of user:password' });
      return [];
    }
    return credential === undefined ? [] : [{ key, credential }];
  });

function credentialOf(entry: Entry): Credential | 'unreadable' | undefined {
  if (entry.registrytoken) return { kind: 'bearer', token: entry.registrytoken };
  if (entry.identitytoken) return { kind: 'refreshToken', token: entry.identitytoken };
  if (entry.auth) return fromAuth(entry.auth);
  const { username: user, password } = entry;
  return user && password !== undefined ? { kind: 'password', user, password } : undefined;
}

function fromAuth(auth: string): Credential | 'unreadable' {
  const text = Buffer.from(auth, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon <= 0) return 'unreadable';
  const password = text.slice(colon + 1).replace(/\0+$/, '');
  return { kind: 'password', user: text.slice(0, colon), password };
}

function warnOfHelpers(
  config: DockerConfig,
  image: { file: string; host: string; repository: string },
  log: Logger,
): void {
  const { file, host, repository } = image;
  const helpers = Object.keys(config.credHelpers ?? {}).filter(key => keyFit(key, host, repository) > 0);
  if (helpers.length === 0 && !config.credsStore) return;
  log.warn('credential helpers are not supported: put the password into auths', {
    file,
    registry: host,
    setting: helpers.length > 0 ? 'credHelpers' : 'credsStore',
  });
}
