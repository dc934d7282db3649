import { readFile } from 'node:fs/promises';
import type { Layer } from '../../../../src/agent/install/layer.ts';
import type { StagerParts } from '../../../../src/agent/install/stager-parts.ts';

const CHUNK_BYTES = 60_000;

/** The digest that a faked image has. */
export const DIGEST = `sha256:${'d'.repeat(64)}`;

/** A layer as a registry would send it. */
export const layerOf = (bytes: Buffer, fails?: Error): Layer => ({
  name: 'a layer',
  sizeBytes: bytes.length,
  async *open() {
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES);
    if (fails !== undefined) throw fails;
  },
});

/** Stands in for a registry. */
export const openLayers =
  (...layers: Layer[]): NonNullable<StagerParts['openImage']> =>
  async () => ({ digest: DIGEST, layers, close: async () => undefined });

/** Layers in files, the lowest first. */
export const openFiles =
  (...files: string[]): NonNullable<StagerParts['openImage']> =>
  async () => ({
    digest: DIGEST,
    layers: await Promise.all(files.map(async path => layerOf(await readFile(path)))),
    close: async () => undefined,
  });
