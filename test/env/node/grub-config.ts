/** Where the boot loader's files lie below the node's root, as on a KubeOS machine with UEFI. */
export const GRUB_ENVIRONMENT = '/boot/efi/EFI/openEuler/grubenv';
/** GRUB's configuration, beside its environment block. */
export const GRUB_CONFIG = '/boot/efi/EFI/openEuler/grub.cfg';

/**
 * A configuration that behaves like that of KubeOS: the environment is loaded unfiltered, `next_entry` is honoured
 * for one boot and cleared before it, `saved_entry` is the default, and each entry finds its slot by label.
 */
export const grubConfigText = (): string => `set timeout=0
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
${entryText('A')}${entryText('B')}`;

const entryText = (slot: string): string => `menuentry '${slot}' --id 'KubeOS-${slot}' {
  insmod ext2
  search --no-floppy --label ROOT-${slot} --set=root
  linux /boot/vmlinuz root=LABEL=ROOT-${slot} ro rootfstype=ext4 quiet oops=panic panic=3
  initrd /boot/initramfs.img
}
`;
