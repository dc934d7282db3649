import type { Firmware } from '../disk/layout.ts';

/** How a disk is attached, by the name that the kernel gives it. */
export type DiskName = 'vda' | 'sda' | 'nvme0n1';

/**
 * What becomes of writes when the power is cut, that is, when the emulator is killed. `unsafe`: flushes are ignored, for
 * speed where nothing is cut. `honest`: the disk has no cache of its own, so whatever it said to be written is written,
 * and what was under way may be or not.
 */
export type DiskCache = 'unsafe' | 'honest';

/** A disk that holds nothing of the system. */
export interface DataDisk {
  readonly path: string;
  /** Default false. True: the kernel finds it first, so it gets the name that the system's disk has without it. */
  readonly isFirst?: boolean;
}

/** The block node below the plain disk's format: what lies between is put there while the machine runs. */
export const MEDIUM_NODE = 'medium';
/** The block node of the plain disk's format. */
export const FORMAT_NODE = 'format';

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
  /** A second disk beside it, on a controller of the same kind. */
  readonly dataDisk?: DataDisk | undefined;
  /** Default 1024. */
  readonly memoryMiB?: number;
  /** Default 1: several machines run at once, and the processors of one wait for each other when they are not all at work. */
  readonly cpus?: number;
  /** Address of the host, on an interface of it, at which the guest's kubelet is reached. */
  readonly kubeletAddress?: string;
  /** Started instead of what the disk has, as a medium is that a person plugged in. */
  readonly kernel?:
    | { readonly path: string; readonly initrd: string; readonly commandLine: string }
    | undefined;
  /** Any other `-device …`. */
  readonly devices?: readonly string[];
  /** Folder for sockets and UEFI's variables. */
  readonly dir: string;
}

/** What a disk is attached to, and as what. */
const DISK_CONTROLLERS: Record<DiskName, { readonly bus: readonly string[]; readonly disk: string }> = {
  vda: { bus: [], disk: 'virtio-blk-pci' },
  sda: { bus: ['-device', 'virtio-scsi-pci'], disk: 'scsi-hd' },
  nvme0n1: { bus: [], disk: 'nvme' },
};
const CACHE: Record<DiskCache, string> = { unsafe: 'unsafe', honest: 'writethrough' };
export const UEFI_CODE = '/usr/share/OVMF/OVMF_CODE_4M.fd';
export const UEFI_VARIABLES = '/usr/share/OVMF/OVMF_VARS_4M.fd';

/** Arguments of qemu-system-x86_64: no virtualisation by hardware, and nothing that the tests do not need. */
export function qemuArguments(hardware: Hardware): string[] {
  const { dir, memoryMiB = 1024, cpus = 1, diskCache = 'unsafe', diskName = 'vda', devices = [] } = hardware;
  const { diskNode, kubeletAddress } = hardware;
  const forward = kubeletAddress === undefined ? '' : `,hostfwd=tcp:${kubeletAddress}:10250-:10250`;
  const file = `file.driver=file,file.filename=${hardware.diskPath},file.node-name=${MEDIUM_NODE},node-name=${FORMAT_NODE}`;
  const plainDisk = `if=none,id=disk,${file},format=raw,cache=${CACHE[diskCache]},aio=threads,discard=unmap`;
  return [
    // Nearly all its time goes into translating code for the first time; with less room for that it is done again and again.
    ...['-machine', 'q35', '-accel', 'tcg,thread=multi,tb-size=1024', '-cpu', 'qemu64'],
    ...['-smp', `${cpus}`, '-m', `${memoryMiB}`],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...(diskNode ?? ['-drive', plainDisk]),
    ...attached(diskName, hardware.dataDisk),
    ...['-netdev', `user,id=n0${forward}`, '-device', 'virtio-net-pci,netdev=n0,romfile='],
    ...['-device', 'virtio-rng-pci'],
    ...['-chardev', 'stdio,id=s0,signal=off', '-serial', 'chardev:s0'],
    ...['-chardev', `socket,id=s1,path=${dir}/shell.sock,server=on,wait=off`, '-serial', 'chardev:s1'],
    ...['-qmp', `unix:${dir}/qmp.sock,server=on,wait=off`],
    ...devices.flatMap(device => ['-device', device]),
    ...(hardware.kernel ? kernelArguments(hardware.kernel) : []),
    ...(hardware.firmware === 'uefi'
      ? [
          ...['-drive', `if=pflash,format=raw,readonly=on,file=${UEFI_CODE}`],
          ...['-drive', `if=pflash,format=raw,file=${dir}/uefi-variables.fd`],
        ]
      : []),
  ];
}

const kernelArguments = ({ path, initrd, commandLine }: NonNullable<Hardware['kernel']>): string[] => [
  ...['-kernel', path, '-initrd', initrd],
  ...['-append', commandLine],
];

/** The kernel names disks in the order in which it finds them. */
function attached(name: DiskName, data: DataDisk | undefined): string[] {
  const { bus, disk } = DISK_CONTROLLERS[name];
  const device = (drive: string, more = ''): string[] => {
    const serial = disk === 'nvme' ? `,serial=twinslot-${drive}` : '';
    return ['-device', `${disk},drive=${drive}${serial}${more}`];
  };
  const system = device('disk', ',bootindex=1');
  if (!data) return [...bus, ...system];
  const other = device('data');
  return [
    ...['-drive', `if=none,id=data,file=${data.path},format=raw,cache=unsafe,aio=threads`],
    ...bus,
    ...(data.isFirst ? [...other, ...system] : [...system, ...other]),
  ];
}
