import type { OSUpgrade } from '../../api/monok8s/index.ts';
import { type Backoff, backoffMs } from '../../domain/backoff.ts';
import { catalogTextOf, parseCatalog, resolveImage } from '../../domain/catalog.ts';
import { messageOf, reasonOf, StalledError, TransientError } from '../../domain/errors.ts';
import { rolloutKeyOf } from '../../domain/rollout-key.ts';
import { CONFIG_MAPS } from '../../kube/resources.ts';
import { systemTimer, type Timer, wait } from '../../kube/timer.ts';
import type { KubeClient } from '../../kube/types.ts';
import type { CatalogAnswer } from './decision.ts';

/** What reading catalogs needs. */
export interface CatalogSourceOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  /** Fetches the text at an address, with all guards. */
  fetch(url: string): Promise<string>;
  /** Asks for the request to be looked at again after so long. */
  lookAgain(name: string, delayMs: number): void;
  /** 0 ≤ x < 1 */
  random(): number;
  readonly timer?: Timer;
  /** Ends the waiting. */
  readonly signal: AbortSignal;
}

/** Reads catalogs in the background, again and again until it succeeds: what is wrong in one may be corrected. */
export interface CatalogSource {
  /** What is known now. Calls `lookAgain` when more is known. */
  answer(request: OSUpgrade): CatalogAnswer;
  /** Forgets a request that is gone. */
  forget(uid: string): void;
}

const BACKOFF: Backoff = { baseMs: 2000, maxMs: 60_000 };
/** Nothing tells when a catalog was corrected. */
const REFUSED: Backoff = { baseMs: 120_000, maxMs: 120_000 };

interface Reading {
  readonly key: string;
  answer: CatalogAnswer;
  failures: number;
  /** A fetch is under way, or waits for its turn, or nothing more is to be known. */
  isBusy: boolean;
}

/** Makes the reader of inline, url and ConfigMap catalogs. */
export function createCatalogSource(options: CatalogSourceOptions): CatalogSource {
  const readings = new Map<string, Reading>();
  const timer = options.timer ?? systemTimer;

  const read = async ({ metadata, spec }: OSUpgrade, reading: Reading): Promise<void> => {
    reading.isBusy = true;
    reading.answer = await readText(spec.catalog, options).then(
      text => resolve(text, spec.version),
      toAnswer,
    );
    const { answer, failures } = reading;
    reading.failures += 1;
    // Twice: once to tell what is wrong, once to try again.
    options.lookAgain(metadata.name, 0);
    if (answer.state === 'resolved') return;
    const delayMs = backoffMs(answer.state === 'refused' ? REFUSED : BACKOFF, failures, options.random());
    await wait(timer, delayMs, options.signal);
    reading.isBusy = false;
    options.lookAgain(metadata.name, 0);
  };

  return {
    answer: request => {
      const { catalog, version } = request.spec;
      if (catalog.inline !== undefined) return resolve(catalog.inline, version);
      // With the generation, so that whatever a person changes is a wish to look again now.
      const key = `${rolloutKeyOf(request.spec)}/${request.metadata.generation}`;
      let reading = readings.get(request.metadata.uid);
      if (reading?.key !== key) {
        reading = { key, answer: { state: 'reading' }, failures: 0, isBusy: false };
        readings.set(request.metadata.uid, reading);
      }
      if (reading.answer.state !== 'resolved' && !reading.isBusy) void read(request, reading);
      return withWayOut(reading.answer);
    },
    forget: uid => {
      readings.delete(uid);
    },
  };
}

function resolve(text: string, version: string): CatalogAnswer {
  try {
    return { state: 'resolved', image: resolveImage(parseCatalog(text), version) };
  } catch (error) {
    return toAnswer(error);
  }
}

function toAnswer(error: unknown): CatalogAnswer {
  const isFinal = error instanceof StalledError;
  return { state: isFinal ? 'refused' : 'unreadable', reason: reasonOf(error), message: messageOf(error) };
}

const withWayOut = (answer: CatalogAnswer): CatalogAnswer =>
  answer.state === 'refused' && answer.reason !== 'AddressInvalid'
    ? { ...answer, message: `${answer.message}. The catalog is read again every 2 minutes` }
    : answer;

async function readText(
  catalog: OSUpgrade['spec']['catalog'],
  options: CatalogSourceOptions,
): Promise<string> {
  if (catalog.url !== undefined) {
    return options.fetch(catalog.url).catch((cause: unknown) => {
      const Kind = cause instanceof StalledError ? StalledError : TransientError;
      throw new Kind(reasonOf(cause), `spec.catalog.url: ${messageOf(cause)}`, { cause });
    });
  }
  if (catalog.configMap !== undefined) return readConfigMap(catalog.configMap, options);
  throw new StalledError('CatalogMissing', 'spec.catalog needs one of inline, url and configMap');
}

async function readConfigMap(name: string, { client, namespace }: CatalogSourceOptions): Promise<string> {
  const found = await client.get(CONFIG_MAPS, { name, namespace }).catch((cause: unknown) => {
    if (reasonOf(cause) !== 'Forbidden') throw cause;
    throw new TransientError(
      'CatalogForbidden',
      `the controller may not read ConfigMap ${namespace}/${name}: run "kubectl edit clusterrole os-controller-catalogs" and add a rule with apiGroups [""], resources [configmaps], verbs [get]; this then begins by itself`,
    );
  });
  if (found === undefined) {
    throw new TransientError(
      'CatalogMissing',
      `there is no ConfigMap ${namespace}/${name} (spec.catalog.configMap): make it in that namespace`,
    );
  }
  const text = catalogTextOf(found.data);
  if (text !== undefined) return text;
  throw new TransientError(
    'CatalogMissing',
    `ConfigMap ${namespace}/${name} must have the key catalog.yaml, or one key alone`,
  );
}
