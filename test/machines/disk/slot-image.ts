import { open } from 'node:fs/promises';
import { makeExt4 } from './ext4.ts';
import { MIB } from './layout.ts';

/** What a slot's file system is made of. */
export interface SlotImageOptions {
  /** Folder with the root file system, `/boot/vmlinuz` and `/boot/initramfs.img` included. */
  readonly tree: string;
  /** Default `ROOT-A`. */
  readonly label?: string;
  readonly sizeMiB: number;
  /** The image: a sparse file, as big as its file system. */
  readonly out: string;
}

/** Makes the image of a slot: what `dd` would put onto the partition. */
export async function makeSlotImage(options: SlotImageOptions): Promise<void> {
  const sizeBytes = options.sizeMiB * MIB;
  const file = await open(options.out, 'w');
  try {
    await file.truncate(sizeBytes);
  } finally {
    await file.close();
  }
  await makeExt4({ path: options.out, sizeBytes, label: options.label ?? 'ROOT-A', tree: options.tree });
}
