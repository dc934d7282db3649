import type { Firmware } from '../disk/layout.ts';

/** How a disk is attached, by the name that the kernel gives it. */
export type DiskName = 'vda' | 'sda' | 'nvme0n1';

/**
 * What becomes of writes when the power is cut, that is, when the emulator is killed. `unsafe`: flushes are ignored, for
 * speed where nothing is cut. `honest`: the disk has no cache of its own, so whatever it said to be written is written,
 * and what was under way may be or not.
 */
export type DiskCache = 'unsafe' | 'honest';

/** A machine's hardware. */
export interface Hardware {
  readonly firmware: Firmware;
  readonly diskPath: string;
  /** Default `vda`. */
  readonly diskName?: DiskName;
  /** Default `unsafe`. */
  readonly diskCache?: DiskCache;
  /** Takes the place of the plain disk: arguments that define the block node `disk`. */
  readonly diskNode?: readonly string[];
  /** Default 1024. */
  readonly memoryMiB?: number;
  /** Default 2. */
  readonly cpus?: number;
  /** Address of the host, on an interface of it, at which the guest's kubelet is reached. */
  readonly kubeletAddress?: string;
  /** Any other `-device …`. */
  readonly devices?: readonly string[];
  /** Folder for sockets and UEFI's variables. */
  readonly dir: string;
}

const DISK_CONTROLLERS: Record<DiskName, readonly string[]> = {
  vda: ['-device', 'virtio-blk-pci,drive=disk,bootindex=1'],
  sda: ['-device', 'virtio-scsi-pci', '-device', 'scsi-hd,drive=disk,bootindex=1'],
  nvme0n1: ['-device', 'nvme,drive=disk,serial=twinslot,bootindex=1'],
};
const CACHE: Record<DiskCache, string> = { unsafe: 'unsafe', honest: 'writethrough' };
export const UEFI_CODE = '/usr/share/OVMF/OVMF_CODE_4M.fd';
export const UEFI_VARIABLES = '/usr/share/OVMF/OVMF_VARS_4M.fd';

/** Arguments of qemu-system-x86_64: no virtualisation by hardware, and nothing that the tests do not need. */
export function qemuArguments(hardware: Hardware): string[] {
  const { dir, memoryMiB = 1024, cpus = 2, diskCache = 'unsafe', diskName = 'vda', devices = [] } = hardware;
  const { diskNode, kubeletAddress } = hardware;
  const forward = kubeletAddress === undefined ? '' : `,hostfwd=tcp:${kubeletAddress}:10250-:10250`;
  const plainDisk = `if=none,id=disk,file=${hardware.diskPath},format=raw,cache=${CACHE[diskCache]},aio=threads,discard=unmap`;
  return [
    ...['-machine', 'q35', '-accel', 'tcg,thread=multi,tb-size=256', '-cpu', 'qemu64'],
    ...['-smp', `${cpus}`, '-m', `${memoryMiB}`],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...(diskNode ?? ['-drive', plainDisk]),
    ...DISK_CONTROLLERS[diskName],
    ...['-netdev', `user,id=n0${forward}`, '-device', 'virtio-net-pci,netdev=n0,romfile='],
    ...['-device', 'virtio-rng-pci'],
    ...['-chardev', 'stdio,id=s0,signal=off', '-serial', 'chardev:s0'],
    ...['-chardev', `socket,id=s1,path=${dir}/shell.sock,server=on,wait=off`, '-serial', 'chardev:s1'],
    ...['-qmp', `unix:${dir}/qmp.sock,server=on,wait=off`],
    ...devices.flatMap(device => ['-device', device]),
    ...(hardware.firmware === 'uefi'
      ? [
          ...['-drive', `if=pflash,format=raw,readonly=on,file=${UEFI_CODE}`],
          ...['-drive', `if=pflash,format=raw,file=${dir}/uefi-variables.fd`],
        ]
      : []),
  ];
}
