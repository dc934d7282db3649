import { readlink } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { TransientError } from '../../domain/errors.ts';

const MAX_LINKS = 40;

/**
 * Where a path of the host lies for this process: absolute links lead from the host's root, and none leads out of it.
 * What is not there is taken as it is written.
 * @throws TransientError `DownloadFailed` for a circle of links
 */
export async function followLinks(root: string, path: string): Promise<string> {
  const split = (text: string) => text.split('/').filter(part => part !== '' && part !== '.');
  let [at, rest, links]: [string[], string[], number] = [[], split(path), 0];
  for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
    if (name === '..') {
      at.pop();
      continue;
    }
    const target = await readlink(join(root, ...at, name)).catch(() => undefined);
    if (target === undefined) {
      at.push(name);
      continue;
    }
    if (++links > MAX_LINKS) throw new TransientError('DownloadFailed', `${path} leads from link to link`);
    if (isAbsolute(target)) at = [];
    rest = [...split(target), ...rest];
  }
  return join(root, ...at);
}
