import { readFile } from 'node:fs/promises';
import type { SlotName } from '../../api/monok8s/index.ts';
import { StalledError } from '../../domain/errors.ts';
import { hostPath } from '../host/host-path.ts';
import { isSameDevice, readHostMounts, type SlotNode } from './device.ts';
import { rootMount } from './mount-info.ts';
import { type SlotPaths, slotFromCommandLine } from './slot-names.ts';

/**
 * Finds the slot that the host runs from: by the device of its `/`, never by a name; for slots that are plain files
 * by the kernel's command line.
 * @throws StalledError `BootedSlotUnknown`
 */
export async function findBootedSlot(
  hostRoot: string,
  paths: SlotPaths,
  nodes: Readonly<Record<SlotName, SlotNode>>,
): Promise<SlotName> {
  const mounts = await readHostMounts(hostRoot);
  const root = mounts === undefined ? undefined : rootMount(mounts);
  const names: readonly SlotName[] = ['A', 'B'];
  const byDevice = names.find(
    name => root !== undefined && nodes[name].kind === 'block' && isSameDevice(nodes[name].device, root),
  );
  if (byDevice !== undefined) return byDevice;
  const areFiles = names.every(name => nodes[name].kind === 'file');
  const commandLinePath = hostPath(hostRoot, '/proc/cmdline');
  if (areFiles || mounts === undefined) {
    const commandLine = await readFile(commandLinePath, 'utf8').catch(() => '');
    const byCommandLine = slotFromCommandLine(commandLine, paths);
    if (byCommandLine !== undefined) return byCommandLine;
  }
  throw new StalledError(
    'BootedSlotUnknown',
    `the system runs from neither ${nodes.A.path} nor ${nodes.B.path}` +
      `${root === undefined ? '' : ` but from ${root.source} (${root.fsType})`}: ` +
      "correct slots in the agent's configuration" +
      `${areFiles ? `, or the root= of ${commandLinePath}` : ''}`,
  );
}
