import { byAge } from '../../domain/progress.ts';
import { keyOf, type Request } from '../../domain/request.ts';
import { requestOfOS } from '../../domain/request-os.ts';
import { requestOfOSUpgrade } from '../../domain/request-osupgrade.ts';
import type { World } from '../fleet.ts';

/** What the workqueue calls a request: `OSUpgrade:my-upgrade`, `OS:default/os-sample`. */
export const requestKey = (kind: Request['kind'], metadata: Parameters<typeof keyOf>[0]): string =>
  `${kind}:${keyOf(metadata)}`;

/** The keys of all requests, the oldest first: of several that nobody has looked at yet, the youngest is the newest. */
export const allRequestKeys = ({ upgrades, oses }: Pick<World, 'upgrades' | 'oses'>): string[] =>
  [
    ...upgrades.list().map(({ metadata }) => ({ metadata, key: requestKey('OSUpgrade', metadata) })),
    ...oses.list().map(({ metadata }) => ({ metadata, key: requestKey('OS', metadata) })),
  ]
    .toSorted(byAge)
    .map(({ key }) => key);

/** The request of a key as the caches have it. */
export function findByKey(
  { upgrades, oses }: Pick<World, 'upgrades' | 'oses'>,
  key: string,
): Request | undefined {
  const [kind, path = ''] = key.split(':');
  if (kind === 'OSUpgrade') {
    const upgrade = upgrades.get({ name: path });
    return upgrade && requestOfOSUpgrade(upgrade);
  }
  const [namespace = '', name = ''] = path.split('/');
  const os = oses.get({ namespace, name });
  return os && requestOfOS(os);
}
