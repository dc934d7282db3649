/** A member of a cpio archive. */
export interface CpioMember {
  /** Without a slash at its beginning; folders come before what is in them. */
  readonly path: string;
  /** Type and permissions: `0o100755` is a program, `0o040755` a folder. */
  readonly mode: number;
  readonly content: Uint8Array;
}

/**
 * Makes the archive that the kernel takes as initial root file system. The same members make the same bytes: everything
 * belongs to root and dates from 1970.
 * @source the kernel's `Documentation/driver-api/early-userspace/buffer-format.rst`
 */
export function packNewc(members: readonly CpioMember[]): Buffer {
  const trailer = { path: 'TRAILER!!!', mode: 0, content: new Uint8Array() };
  return Buffer.concat([...members, trailer].flatMap((member, index) => packMember(member, index)));
}

function packMember({ path, mode, content }: CpioMember, index: number): Buffer[] {
  const name = Buffer.from(`${path}\0`);
  // Inode, mode, uid, gid, links, mtime, size, device and node numbers, length of the name, checksum.
  const numbers = [index + 1, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length, 0];
  const head = Buffer.from(`070701${numbers.map(number => number.toString(16).padStart(8, '0')).join('')}`);
  return [padded(Buffer.concat([head, name])), padded(Buffer.from(content))];
}

const padded = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
