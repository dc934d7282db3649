import type { MachineNode } from './machine-node.ts';

/** What a running node boots from, and what its boot loader is going to do. */
export interface RunningEnvironment {
  readonly booted: 'A' | 'B';
  readonly environment: ReadonlyMap<string, string>;
}

const ENVIRONMENT = { uefi: '/boot/efi/EFI/openEuler/grubenv', bios: '/boot/grub2/grubenv' };

/** Reads GRUB's environment and the booted slot in the running system. */
export async function readRunningEnvironment({ machine, disk }: MachineNode): Promise<RunningEnvironment> {
  const { output } = await machine.run(
    `grub-editenv ${ENVIRONMENT[disk.firmware]} list; echo "root=$(lsblk -no LABEL "$(findmnt -no SOURCE /)")"`,
    // An answer may be lost while a system starts; then it is asked anew.
    { timeoutMs: 20_000 },
  );
  const pairs = output.split('\n').map(line => {
    const at = line.indexOf('=');
    return [line.slice(0, at), line.slice(at + 1).trim()] as const;
  });
  const { root, ...rest } = Object.fromEntries(pairs);
  if (root !== 'ROOT-A' && root !== 'ROOT-B') throw new Error(`no slot runs: ${output}`);
  return { booted: root === 'ROOT-A' ? 'A' : 'B', environment: new Map(Object.entries(rest)) };
}
