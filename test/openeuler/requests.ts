import type { OSSpec } from '../../src/api/openeuler/index.ts';
import { nameOf, partitionImage } from './images.ts';
import type { Machines } from './machines.ts';

/** Puts a release onto the machines's server, and tells the spec of an `OS` that brings it to all workers at once. */
export async function upgradeTo(machines: Machines, version: string): Promise<Partial<OSSpec>> {
  const image = await partitionImage(version);
  machines.server.serve(pathOf(version), image.zstPath);
  return {
    imagetype: 'disk',
    opstype: 'upgrade',
    osversion: nameOf(version),
    maxunavailable: machines.workers.length,
    imageurl: `${machines.server.url}${pathOf(version)}`,
    checksum: image.checksum,
    flagSafe: true,
  };
}

/** Where the server has a release. */
export const pathOf = (version: string): string => `/${version}.zst`;

/** An `OS` for kubectl. */
export const osObject = (spec: object, name = 'os-sample', namespace = 'default'): string =>
  JSON.stringify({
    apiVersion: 'upgrade.openeuler.org/v1alpha1',
    kind: 'OS',
    metadata: { name, namespace },
    spec,
  });

/** A `timewindow` around now in the controller's zone, which is ours. Offsets in milliseconds. */
export function windowAround(startsInMs: number, endsInMs: number): OSSpec['timewindow'] {
  const shift = new Date().getTimezoneOffset() * -60_000;
  const at = (ms: number): string =>
    new Date(Date.now() + shift + ms).toISOString().slice(0, 19).replace('T', ' ');
  return { starttime: at(startsInMs), endtime: at(endsInMs) };
}
