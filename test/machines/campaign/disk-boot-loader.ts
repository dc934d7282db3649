import type { MachineCase } from './case.ts';
import { obstacleCase } from './obstacle.ts';
import { grubDir, inMachine } from './refusals.ts';

/** A boot partition, an environment block or a configuration of GRUB that does not do. */
export const DISK_BOOT_LOADER: readonly MachineCase[] = [
  obstacleCase({
    id: 'disk/environment-missing',
    title: 'GRUB has no environment block (BIOS)',
    reason: 'BootEnvironmentInvalid',
    refuses: 'node',
    tells: /grub-editenv \S+ create/,
    node: { firmware: 'bios' },
    put: async node => {
      const file = `${grubDir(node)}/grubenv`;
      await inMachine(node, `mv ${file} ${file}.away && sync`);
      return () => inMachine(node, `mv ${file}.away ${file} && sync`);
    },
    retried: 'until it installs',
  }),
  obstacleCase({
    id: 'disk/esp-read-only',
    title: 'the EFI partition is mounted read-only (UEFI)',
    reason: 'BootEnvironmentInvalid',
    refuses: 'plan',
    tells: /read-write/,
    node: { firmware: 'uefi' },
    put: async node => {
      await inMachine(node, 'mount -o remount,ro /boot/efi');
      return () => inMachine(node, 'mount -o remount,rw /boot/efi');
    },
    retried: 'until it installs',
  }),
  obstacleCase({
    id: 'disk/grub-without-next-entry',
    title: "grub.cfg does not know GRUB's one-boot entry (BIOS)",
    reason: 'TrialBootUnsupported',
    refuses: 'plan',
    tells: /grub\.cfg.*next_entry/,
    node: { firmware: 'bios' },
    put: async node => {
      const file = `${grubDir(node)}/grub.cfg`;
      await inMachine(node, `cp ${file} ${file}.away && sed -i '/next_entry/d' ${file} && sync`);
      return () => inMachine(node, `mv ${file}.away ${file} && sync`);
    },
    retried: 'until it installs',
  }),
  obstacleCase({
    id: 'disk/environment-corrupt-later',
    title: "GRUB's environment block becomes corrupt while the image is fetched (BIOS)",
    reason: 'BootEnvironmentInvalid',
    refuses: 'plan',
    comesLater: true,
    tells: /grub-editenv \S+ create.*saved_entry/,
    node: { firmware: 'bios' },
    put: async node => {
      const file = `${grubDir(node)}/grubenv`;
      await inMachine(node, `cp ${file} ${file}.away && yes | head -c 1024 > ${file} && sync`);
      return () => inMachine(node, `mv ${file}.away ${file} && sync`);
    },
    retried: 'until it installs',
  }),
  ...[
    { what: 'garbage', make: 'head -c 1024 /dev/zero | tr "\\0" U' },
    { what: 'CRLF line ends', make: 'sed "s/$/\\r/" ENV | head -c 1024' },
    { what: 'wrong size', make: 'head -c 512 ENV' },
  ].map(({ what, make }, index) =>
    obstacleCase({
      id: `disk/environment-corrupt-${index + 1}`,
      title: `GRUB's environment block is corrupt: ${what} (UEFI)`,
      reason: 'BootEnvironmentInvalid',
      refuses: 'node',
      tells: /grub-editenv \S+ create.*saved_entry/,
      node: { firmware: 'uefi' },
      put: async node => {
        const file = `${grubDir(node)}/grubenv`;
        const broken = make.replace('ENV', `${file}.away`);
        await inMachine(node, `cp ${file} ${file}.away && ${broken} > ${file} && sync`);
        return () => inMachine(node, `mv ${file}.away ${file} && sync`);
      },
      retried: 'until it installs',
    }),
  ),
];
