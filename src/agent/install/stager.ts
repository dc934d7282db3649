import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'winston';
import type { PlanImage } from '../../api/monok8s/index.ts';
import type { Clock } from '../../domain/clock.ts';
import { StalledError } from '../../domain/errors.ts';
import { type ClientCredentials, loadClientCredentials } from '../../tls/client-credentials.ts';
import type { AgentConfig } from '../config.ts';
import { hostPath } from '../host/host-path.ts';
import type { Slots, StagedImage, StageHooks, StageRequest, Stager } from '../ports.ts';
import { holdSlot } from '../slots/exclusive.ts';
import { checkAddress, publicAddress } from '../transport/address.ts';
import { FileChangedError, fetchFile, type Timing } from '../transport/fetch-file.ts';
import { createHttpClient, type HttpClient } from '../transport/http-client.ts';
import { type FileSystemPlan, planFileSystem } from './archive/file-system-plan.ts';
import { install } from './install.ts';
import type { Install } from './install-options.ts';
import { readPrimarySuperblock } from './superblock-io.ts';
import { assertChecksumForm } from './verify.ts';

/** A file that changes under every download is nobody's network trouble. */
const MAX_CHANGES = 5;
const MAX_SILENCE_MS = 30_000;

/** What a stager is made of. */
export interface StagerParts {
  readonly slots: Slots;
  readonly config: Pick<AgentConfig, 'hostRoot' | 'certDir'>;
  readonly log: Logger;
  readonly clock: Clock;
  /** From 0 to 1. */
  random(): number;
  /** Waits; the machine's own timer if absent. */
  readonly delay?: Timing['delay'];
  /** Another engine for the way from the fetched bytes to the slot. */
  readonly install?: Install;
}

/** Fetches images over http(s) and puts them onto slots. */
export function createStager(parts: StagerParts): Stager {
  return { stage: (request, hooks) => stage(parts, request, hooks) };
}

async function stage(parts: StagerParts, request: StageRequest, hooks: StageHooks): Promise<StagedImage> {
  const { image, slot } = request;
  const url = imageAddress(request);
  assertChecksumForm(image.checksum ?? '');
  assertFits(request);
  const credentials = await credentialsFor(parts, url, image);
  if (url.protocol === 'http:') parts.log.warn('image address is insecure', { address: publicAddress(url) });
  await parts.slots.assertWritable(slot.name);
  const silenceMs = Math.min(MAX_SILENCE_MS, Math.max(Math.floor(request.stallMs / 2), 100));
  const client = createHttpClient({ url, flagSafe: image.flagSafe === true, credentials, silenceMs });
  try {
    return await stageFrom(parts, client, request, hooks);
  } finally {
    await client.close();
  }
}

/** Certificates count for https alone: a request may name them for either. */
async function credentialsFor(
  { config, clock, log }: StagerParts,
  url: URL,
  image: PlanImage,
): Promise<ClientCredentials> {
  if (url.protocol !== 'https:') return {};
  return loadClientCredentials(hostPath(config.hostRoot, config.certDir), image, clock.nowMs(), log);
}

/** Begins anew as often as the file on the server changes meanwhile. */
async function stageFrom(
  parts: StagerParts,
  client: HttpClient,
  request: StageRequest,
  hooks: StageHooks,
): Promise<StagedImage> {
  const held = await holdSlot(request.slot.path);
  try {
    for (let changes = 1; ; changes++) {
      try {
        return await attempt(parts, client, request, { ...hooks, held });
      } catch (error) {
        if (!(error instanceof FileChangedError)) throw error;
        if (changes >= MAX_CHANGES) throw keepsChanging(error);
        hooks.onRetry(error.reason, error.message);
      }
    }
  } finally {
    await held.release();
  }
}

type AttemptHooks = StageHooks & Pick<Parameters<Install>[1], 'held'>;

async function attempt(
  parts: StagerParts,
  client: HttpClient,
  request: StageRequest,
  hooks: AttemptHooks,
): Promise<StagedImage> {
  // Ends the connection when the way to the slot fails: nobody would read from it any more.
  const end = new AbortController();
  const signal = AbortSignal.any([hooks.signal, end.signal]);
  let total = 0;
  const source = fetchFile({
    client,
    timing: {
      clock: parts.clock,
      random: () => parts.random(),
      delay: parts.delay ?? ((ms, until) => sleep(ms, undefined, { signal: until })),
    },
    stallMs: request.stallMs,
    signal,
    onTotal: bytes => {
      total = bytes;
      hooks.onProgress({ phase: 'Downloading', bytesDone: 0, bytesTotal: bytes });
    },
    onRetry: (reason, message) => hooks.onRetry(reason, message),
  });
  try {
    return await (parts.install ?? install)(source, {
      request,
      held: hooks.held,
      signal: hooks.signal,
      log: parts.log,
      planFileSystem: () => planLikeRunning(parts.slots),
      fetchedTotal: () => total,
      onProgress: progress => hooks.onProgress(progress),
    });
  } finally {
    end.abort();
  }
}

/** A boot loader that reads the slot which runs reads what is made after it. */
async function planLikeRunning(slots: Slots): Promise<FileSystemPlan> {
  const layout = await slots.inspect();
  return planFileSystem(await readPrimarySuperblock(layout[layout.booted].path));
}

function imageAddress({ image }: StageRequest): URL {
  if (image.url !== undefined) return checkAddress(image.url, image.flagSafe === true);
  throw new StalledError(
    'AddressUnsupported',
    `images in OCI registries are not supported yet (${image.reference ?? 'no address'}): give an http(s) address`,
  );
}

function assertFits({ image, slot }: StageRequest): void {
  if (image.size === undefined || image.size <= slot.sizeBytes) return;
  throw new StalledError(
    'ImageTooLarge',
    `the image's size is given as ${image.size} bytes, but slot ${slot.name} has ${slot.sizeBytes}: ` +
      "make the image's file system smaller",
  );
}

const keepsChanging = (cause: FileChangedError): StalledError =>
  new StalledError(
    'DownloadStalled',
    `${MAX_CHANGES} downloads had to begin anew: put the file there once and leave it, on a server that can resume`,
    { cause },
  );
