import type { SlotName } from '../../api/monok8s/index.ts';

/** A path for each of the two slots. */
export type SlotPaths = Readonly<Record<SlotName, string>>;

/** What a search for slots came to: the two, nothing at all, or something else than two. */
export type Found =
  | { readonly kind: 'two'; readonly paths: SlotPaths }
  | { readonly kind: 'none' }
  | { readonly kind: 'other'; readonly names: readonly string[] };

const LABEL_PREFIX = 'ROOT-';

/** Judges a configured map: exactly `A` and `B`. */
export function slotsFromMap(map: Readonly<Record<string, string>>): Found {
  const names = Object.keys(map).sort();
  const { A, B } = map;
  if (A !== undefined && B !== undefined && names.length === 2) return { kind: 'two', paths: { A, B } };
  return { kind: 'other', names };
}

/** Judges the labels on a machine: `ROOT-A` and `ROOT-B` and no other `ROOT-…`. */
export function slotsFromLabels(folder: string, labels: readonly string[]): Found {
  const roots = labels.filter(label => label.startsWith(LABEL_PREFIX)).sort();
  if (roots.length === 0) return { kind: 'none' };
  if (roots.join() !== 'ROOT-A,ROOT-B') return { kind: 'other', names: roots };
  return { kind: 'two', paths: { A: `${folder}/ROOT-A`, B: `${folder}/ROOT-B` } };
}

/**
 * KubeOS's rule: the slots are partitions 2 and 3 of the disk that the system runs from.
 * @source KubeOS's disk layout: 1 boot, 2 and 3 the two roots, 4 what both share
 * @param rootDevice name of the running root's device, such as `sda2`, `vda3` or `nvme0n1p2`
 */
export function slotsFromRoot(rootDevice: string): Found {
  const match = /^((?:nvme\d+n\d+|mmcblk\d+|nbd\d+|loop\d+|md\d+)p|(?:sd|vd|hd|xvd)[a-z]+)(\d+)$/.exec(
    rootDevice,
  );
  const [, disk = '', number = ''] = match ?? [];
  if (number !== '2' && number !== '3') return { kind: 'none' };
  return { kind: 'two', paths: { A: `/dev/${disk}2`, B: `/dev/${disk}3` } };
}

/**
 * Which slot a kernel command line boots, for slots that are plain files.
 * @param paths the slots' paths as the configuration names them
 */
export function slotFromCommandLine(commandLine: string, paths: SlotPaths): SlotName | undefined {
  const root = commandLine
    .split(/\s+/)
    .findLast(word => word.startsWith('root='))
    ?.slice('root='.length);
  const names: readonly SlotName[] = ['A', 'B'];
  return names.find(
    name =>
      root === `LABEL=${LABEL_PREFIX}${name}` ||
      root === `PARTLABEL=${LABEL_PREFIX}${name}` ||
      root === paths[name],
  );
}
