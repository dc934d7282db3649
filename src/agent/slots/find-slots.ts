import { readdir, readlink } from 'node:fs/promises';
import { basename } from 'node:path';
import { StalledError, unreachable } from '../../domain/errors.ts';
import type { AgentConfig } from '../config.ts';
import { hostPath } from '../host/host-path.ts';
import { type DeviceNumbers, readHostMounts } from './device.ts';
import { rootMount } from './mount-info.ts';
import { type Found, type SlotPaths, slotsFromLabels, slotsFromMap, slotsFromRoot } from './slot-names.ts';

/** Where the two slots are, and how that is known. */
export interface FoundSlots {
  /** Host paths. */
  readonly paths: SlotPaths;
  readonly isConfigured: boolean;
}

const HOW_TO_CONFIGURE = "name the two in the agent's configuration: slots: {A: /dev/…, B: /dev/…}";

/**
 * Finds the two slots: as configured, by partition label, by file-system label, or by KubeOS's rule.
 * @throws StalledError `SlotCountUnsupported`, `SlotNotFound`
 */
export async function findSlots(config: Pick<AgentConfig, 'hostRoot' | 'slots'>): Promise<FoundSlots> {
  if (config.slots !== undefined) {
    return { paths: expectTwo(slotsFromMap(config.slots), 'slots of the configuration'), isConfigured: true };
  }
  const byPartition = await searchLabels(config.hostRoot, '/dev/disk/by-partlabel');
  if (byPartition.kind !== 'none') {
    return { paths: expectTwo(byPartition, 'partition labels'), isConfigured: false };
  }
  const byLabel = await searchLabels(config.hostRoot, '/dev/disk/by-label');
  if (byLabel.kind === 'two') return { paths: byLabel.paths, isConfigured: false };
  // One label alone is what a freshly installed KubeOS has: its second slot holds no file system yet.
  const isThird = byLabel.kind === 'other' && byLabel.names.some(name => !/^ROOT-[AB]$/.test(name));
  if (isThird) expectTwo(byLabel, 'file-system labels');
  return { paths: expectTwo(await searchRootDisk(config.hostRoot), 'partitions'), isConfigured: false };
}

function expectTwo(found: Found, where: string): SlotPaths {
  switch (found.kind) {
    case 'two':
      return found.paths;
    case 'other':
      throw new StalledError(
        'SlotCountUnsupported',
        `there must be exactly the slots A and B, but the ${where} are ${found.names.join(', ') || 'none'}: ` +
          HOW_TO_CONFIGURE,
      );
    case 'none':
      throw new StalledError(
        'SlotNotFound',
        'no slots were found: no partition or file system is labelled ROOT-A and ROOT-B, and the system does not ' +
          `run from partition 2 or 3 of a disk; ${HOW_TO_CONFIGURE}`,
      );
    default:
      return unreachable(found);
  }
}

async function searchLabels(hostRoot: string, folder: string): Promise<Found> {
  return slotsFromLabels(folder, await readdir(hostPath(hostRoot, folder)).catch(() => []));
}

async function searchRootDisk(hostRoot: string): Promise<Found> {
  const root = rootMount((await readHostMounts(hostRoot)) ?? []);
  const name = root === undefined ? undefined : await kernelName(root);
  return name === undefined ? { kind: 'none' } : slotsFromRoot(name);
}

/** The kernel's name of a device, by its numbers: what a mount table calls it may be anything. */
const kernelName = async ({ major, minor }: DeviceNumbers): Promise<string | undefined> =>
  readlink(`/sys/dev/block/${major}:${minor}`).then(basename, () => undefined);
