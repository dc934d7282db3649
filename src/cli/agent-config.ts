import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { parse, YAMLParseError } from 'yaml';
import { z } from 'zod';
import { AgentConfig } from '../agent/config.ts';
import { errnoOf } from '../domain/errno.ts';
import { messageOf, StalledError } from '../domain/errors.ts';

/** Where the DaemonSet mounts the agent's settings. */
export const CONFIG_FILE = '/etc/node-agent/agent.yaml';

/**
 * Reads the agent's configuration. A file that is named has to be there; the usual one may be missing, which means the
 * defaults. `hostRoot` counts unless the file names one.
 * @throws StalledError `ConfigInvalid` with the name of the field
 */
export async function readAgentConfig(
  named: string | undefined,
  hostRoot = '/',
  usual = CONFIG_FILE,
): Promise<AgentConfig> {
  if (!hostRoot.startsWith('/'))
    throw new StalledError('ConfigInvalid', `--host-root or HOST_ROOT: "${hostRoot}" must begin with /`);
  const file = named ?? usual;
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    if (named === undefined && errnoOf(cause) === 'ENOENT') return readNothing(file);
    throw new StalledError('ConfigInvalid', `cannot read ${file}: ${messageOf(cause)}`, { cause });
  });
  const settings = parseYaml(text, file) ?? {};
  const read = AgentConfig.safeParse(isObject(settings) ? { hostRoot, ...settings } : settings);
  if (read.success) return read.data;
  throw new StalledError('ConfigInvalid', `${file}: ${z.prettifyError(read.error)}`, { cause: read.error });
}

const isObject = (value: unknown): value is object => typeof value === 'object' && !Array.isArray(value);

/** The usual file is missing. Settings under another name are a mistake, not the wish for the defaults. */
async function readNothing(file: string): Promise<string> {
  const entries = await readdir(dirname(file), { withFileTypes: true }).catch(() => []);
  // A folder is not the ConfigMap's: the Secret with the passwords of registries is mounted in one.
  const others = entries.filter(entry => !entry.isDirectory()).map(entry => entry.name);
  const misnamed = others.filter(name => !name.startsWith('.'));
  if (misnamed.length === 0) return '';
  throw new StalledError(
    'ConfigInvalid',
    `${dirname(file)} holds ${misnamed.join(', ')}, but no ${basename(file)}: name the settings (the key of the ConfigMap node-agent-config) ${basename(file)}`,
  );
}

function parseYaml(text: string, file: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof YAMLParseError)) throw error;
    throw new StalledError('ConfigInvalid', `${file}: ${error.message}`, { cause: error });
  }
}
