import type { Firmware } from './layout.ts';

/** What {@link grubMenu} writes into GRUB's configuration. */
export interface GrubMenuOptions {
  readonly firmware: Firmware;
  /** PARTUUID of each slot: how the kernel finds its root. */
  readonly partUuids: Readonly<Record<'A' | 'B', string>>;
  /** Seconds that the menu waits on the serial line; 0 boots without showing it. */
  readonly timeout: number;
  /** More words for the kernel's command line. */
  readonly extraKernelArgs: readonly string[];
}

/** What KubeOS starts its kernels with, save what the emulated machine has no use for (`nomodeset`, `crashkernel`). */
const KERNEL_ARGS = [
  'ro',
  'rootfstype=ext4',
  'quiet',
  'oops=panic',
  'softlockup_panic=1',
  'nmi_watchdog=1',
  'rd.shell=0',
  'selinux=0',
  'panic=3',
  'console=ttyS0,115200',
];

/**
 * GRUB's configuration with the behaviour of KubeOS's: `next_entry` is taken for one boot and cleared on the disk
 * before it, else `saved_entry`, else the first entry; each entry finds its slot by the label of its file system.
 * Everything is shown and typed on the serial line. UEFI reads that line itself, as its console: were GRUB to read it
 * too, each would get some of the keys.
 */
export const grubMenu = (options: GrubMenuOptions): string => `serial --unit=0 --speed=115200
terminal_input ${options.firmware === 'uefi' ? 'console' : 'serial'}
terminal_output serial
if [ -s $prefix/grubenv ]; then
  load_env
fi
if [ "\${next_entry}" ]; then
  set default="\${next_entry}"
  set next_entry=
  save_env next_entry
  set boot_once=true
else
  set default="\${saved_entry}"
fi
if [ x"\${feature_menuentry_id}" = xy ]; then
  menuentry_id_option="--id"
else
  menuentry_id_option=""
fi
export menuentry_id_option
set timeout_style=menu
set timeout=${options.timeout}
${menuEntry('A', options)}${menuEntry('B', options)}`;

const menuEntry = (slot: 'A' | 'B', options: GrubMenuOptions): string => `
menuentry '${slot}' --class kubeos --class os $menuentry_id_option 'KubeOS-${slot}' {
  insmod ext2
  search --no-floppy --label ROOT-${slot} --set=root
  linux /boot/vmlinuz ${[`root=PARTUUID=${options.partUuids[slot]}`, ...KERNEL_ARGS, ...options.extraKernelArgs].join(' ')}
  initrd /boot/initramfs.img
}
`;
