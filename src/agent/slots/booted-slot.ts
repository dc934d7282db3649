import { readFile } from 'node:fs/promises';
import type { SlotName } from '../../api/monok8s/index.ts';
import { StalledError } from '../../domain/errors.ts';
import { hostPath } from '../host/host-path.ts';
import { isSameDevice, isVerity, readHostMounts, type SlotNode } from './device.ts';
import { rootMount } from './mount-info.ts';
import { type SlotPaths, slotFromCommandLine } from './slot-names.ts';

/** @source upstream KubeOS's boot line for dm-verity; systemd-veritysetup-generator(8) */
const VERITY = /(^|\s)(dmvroothash|roothash|systemd\.verity_root_hash)=/;

/**
 * Finds the slot that the host runs from: by the device of its `/`, never by a name; for slots that are plain files
 * by the kernel's command line.
 * @throws StalledError `VerityUnsupported`, `BootedSlotUnknown`
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
  const commandLinePath = hostPath(hostRoot, '/proc/cmdline');
  const commandLine = await readFile(commandLinePath, 'utf8').catch(() => '');
  if (VERITY.test(commandLine) || (root !== undefined && (await isVerity(root))))
    throw new StalledError(
      'VerityUnsupported',
      'the root of the system is protected by dm-verity: such nodes are not supported, make the image without it',
    );
  const areFiles = names.every(name => nodes[name].kind === 'file');
  if (areFiles || mounts === undefined) {
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
