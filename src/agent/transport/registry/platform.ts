import { StalledError } from '../../../domain/errors.ts';
import { type Descriptor, MANIFEST_TYPES } from './manifest.ts';

/** Names of architectures as images use them, by those of Node. */
const ARCHITECTURES = new Map([
  ['x64', 'amd64'],
  ['arm', 'arm'],
  ['ia32', '386'],
]);
/** Variants that every processor of the architecture runs. */
const BASELINES = new Map([
  ['amd64', ['', 'v1']],
  ['arm64', ['', 'v8']],
]);
const INDEX_TYPES: readonly string[] = MANIFEST_TYPES.slice(0, 2);

/** The architecture of a machine as images call it. @param arch as `process.arch` */
export const architectureOf = (arch: string): string => ARCHITECTURES.get(arch) ?? arch;

/**
 * Chooses from an index what runs on this platform: manifests first, then indexes within it that may hold one.
 * @returns the likeliest first; empty if there is none
 */
export function choose(manifests: readonly Descriptor[], architecture: string): Descriptor[] {
  const isIndex = ({ mediaType }: Descriptor) => INDEX_TYPES.includes(mediaType);
  const variants = BASELINES.get(architecture) ?? [''];
  const fitting = manifests
    .filter(({ platform }) => platform?.os === 'linux' && platform.architecture === architecture)
    .map(descriptor => ({ descriptor, rank: variants.indexOf(descriptor.platform?.variant ?? '') }))
    .filter(({ rank }) => rank >= 0)
    .toSorted((a, b) => a.rank - b.rank)
    .map(({ descriptor }) => descriptor);
  const nameless = manifests.filter(({ platform }) => platform == null);
  // An index that says nothing of platforms and has one image means that one.
  const only = manifests.length === 1 ? nameless.filter(descriptor => !isIndex(descriptor)) : [];
  return [...fitting, ...only, ...nameless.filter(isIndex)];
}

/** The platforms of an index, for a message. */
export const platformsOf = (manifests: readonly Descriptor[]): string[] =>
  manifests
    .map(({ platform }) => platform)
    .filter(platform => platform?.os !== 'unknown')
    .map(platform => [platform?.os, platform?.architecture, platform?.variant].filter(Boolean).join('/'))
    .map(name => name || 'one without a platform');

/**
 * Checks the architecture that an image's configuration names. One that names none passes.
 * @throws StalledError `PlatformMissing`
 */
export function checkPlatform(config: Buffer, architecture: string, where: string): void {
  const { os, architecture: actual } = readPlatform(config);
  const isRight = (os === undefined || os === 'linux') && (actual === undefined || actual === architecture);
  if (!isRight) throw platformMissing(where, architecture, [`${os ?? ''}/${actual ?? ''}`]);
}

/** The refusal of an image for other machines. */
export const platformMissing = (where: string, architecture: string, found: readonly string[]) =>
  new StalledError(
    'PlatformMissing',
    `${where} has no image for linux/${architecture}, only for ${found.slice(0, 20).join(', ') || 'nothing'}: ` +
      'build it for that platform too',
  );

function readPlatform(config: Buffer): { os?: string; architecture?: string } {
  let json: unknown;
  try {
    json = JSON.parse(config.toString('utf8'));
  } catch {
    return {};
  }
  if (typeof json !== 'object' || json === null) return {};
  const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined);
  const os = 'os' in json ? text(json.os) : undefined;
  const architecture = 'architecture' in json ? text(json.architecture) : undefined;
  return { ...(os !== undefined && { os }), ...(architecture !== undefined && { architecture }) };
}
