import { type CatalogSource, SYSTEM_NAMESPACE } from '../api/monok8s/index.ts';
import { catalogTextOf } from '../domain/catalog.ts';
import { MAX_CATALOG_BYTES } from '../domain/catalog-document.ts';
import { messageOf, reasonOf, StalledError } from '../domain/errors.ts';
import { fetchText } from '../http/fetch-text.ts';
import { CONFIG_MAPS } from '../kube/resources.ts';
import type { KubeClient } from '../kube/types.ts';

/** Reads the text of a request's catalog. */
export type CatalogReader = (source: CatalogSource) => Promise<string>;

/** Somebody has to do something first, and then it goes on by itself. */
export class CatalogWait extends StalledError {}

const ALLOW =
  'add with kubectl edit clusterrole node-agent-catalogs: rules: [{apiGroups: [""], resources: [configmaps], verbs: [get]}]';

/**
 * Makes the reader of inline, url and ConfigMap catalogs.
 * The reader throws `CatalogWait` `CatalogForbidden`, `CatalogMissing`; StalledError and TransientError of `fetchText`.
 */
export const createCatalogReader =
  (client: KubeClient, signal: AbortSignal): CatalogReader =>
  async source => {
    if (source.inline !== undefined) return source.inline;
    if (source.url !== undefined)
      return fetchText(source.url, { signal, allowHttp: false, maxBytes: MAX_CATALOG_BYTES });
    if (source.configMap !== undefined) return readConfigMap(client, source.configMap);
    throw new StalledError('CatalogMissing', 'spec.catalog needs one of inline, url and configMap');
  };

async function readConfigMap(client: KubeClient, name: string): Promise<string> {
  const ref = { name, namespace: SYSTEM_NAMESPACE };
  const found = await client.get(CONFIG_MAPS, ref).catch((cause: unknown) => {
    if (reasonOf(cause) !== 'Forbidden') throw cause;
    throw new CatalogWait(
      'CatalogForbidden',
      `the agent may not read ConfigMap ${SYSTEM_NAMESPACE}/${name}: ${ALLOW} (${messageOf(cause)})`,
      { cause },
    );
  });
  const text = found && catalogTextOf(found.data);
  if (text !== undefined) return text;
  const what = found ? `has neither the key catalog.yaml nor a single other one` : 'does not exist';
  throw new CatalogWait(
    'CatalogMissing',
    `ConfigMap ${SYSTEM_NAMESPACE}/${name} (spec.catalog.configMap) ${what}`,
  );
}
