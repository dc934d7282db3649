import { spawn } from 'node:child_process';
import { copyFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { DiskLayout } from './layout.ts';

/** How a disk is attached, by the name that the kernel gives it. */
export type DiskName = 'vda' | 'sda' | 'nvme0n1';

/** What a machine is started with. */
export interface BootOptions {
  /** Default `vda`. */
  readonly as?: DiskName;
  readonly devices?: readonly string[];
  /** Typed on the serial line when `when` was seen on it. */
  readonly answers?: readonly { readonly when: RegExp; readonly type: string }[];
}

const CONTROLLERS: Record<DiskName, readonly string[]> = {
  vda: ['-device', 'virtio-blk-pci,drive=d0,bootindex=1'],
  sda: ['-device', 'virtio-scsi-pci', '-device', 'scsi-hd,drive=d0,bootindex=1'],
  nvme0n1: ['-device', 'nvme,drive=d0,serial=twinslot,bootindex=1'],
};
const LIMIT_MS = 120_000;

/**
 * Starts an emulated machine, waits until it resets itself or is switched off, and resolves to what it wrote on its
 * serial line.
 * @throws Error with that text if it goes on for two minutes
 */
export async function bootOnce(disk: DiskLayout, options: BootOptions = {}): Promise<string> {
  const firmware = disk.firmware === 'uefi' ? await uefi(disk) : [];
  const child = spawn(
    'qemu-system-x86_64',
    [
      ...[
        '-machine',
        'q35',
        '-accel',
        'tcg,thread=multi,tb-size=128',
        '-cpu',
        'qemu64',
        '-smp',
        '1',
        '-m',
        '512',
      ],
      ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-serial', 'stdio'],
      ...['-drive', `if=none,id=d0,file=${disk.path},format=raw,cache=unsafe`],
      ...[...CONTROLLERS[options.as ?? 'vda'], ...(options.devices ?? []), ...firmware],
    ],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  );
  return new Promise((resolve, reject) => {
    let serial = '';
    const open = [...(options.answers ?? [])];
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`the machine does not end by itself:\n${serial}`));
    }, LIMIT_MS);
    child.stderr.on('data', chunk => {
      serial += chunk;
    });
    child.stdout.on('data', chunk => {
      serial += chunk;
      if (open[0]?.when.test(serial)) child.stdin.write(open.shift()?.type ?? '');
    });
    child.once('error', reject);
    child.once('close', () => {
      clearTimeout(timer);
      resolve(serial);
    });
  });
}

async function uefi(disk: DiskLayout): Promise<string[]> {
  const variables = join(dirname(disk.path), 'uefi-variables.fd');
  await copyFile('/usr/share/OVMF/OVMF_VARS_4M.fd', variables);
  return [
    ...['-drive', 'if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd'],
    ...['-drive', `if=pflash,format=raw,file=${variables}`],
  ];
}
