import { imageInvalid } from '../image-format.ts';
import { damaged } from './header.ts';
import type { Attribute } from './member.ts';
import type { PaxRecords } from './pax-records.ts';

const XATTR = 'SCHILY.xattr.';
const LIBARCHIVE_XATTR = 'LIBARCHIVE.xattr.';
const SELINUX = 'security.selinux';
/** How the kernel calls an ACL, and how archives call it. */
const ACLS = {
  'system.posix_acl_access': 'SCHILY.acl.access',
  'system.posix_acl_default': 'SCHILY.acl.default',
} as const;

/**
 * What an archive says of a file besides its header, in one spelling: extended attributes by their names, the SELinux
 * context among them, and ACLs as text with numbers.
 * @throws StalledError `ImageInvalid`
 */
export function attributesFrom(records: PaxRecords): Attribute[] {
  const found = new Map<string, string>();
  for (const [key, value] of records) {
    if (!key.startsWith(LIBARCHIVE_XATTR)) continue;
    found.set(unescaped(key.slice(LIBARCHIVE_XATTR.length)), Buffer.from(value, 'base64').toString('latin1'));
  }
  for (const [key, value] of records) if (key === `RHT.${SELINUX}`) found.set(SELINUX, value);
  for (const [key, value] of records) if (key.startsWith(XATTR)) found.set(key.slice(XATTR.length), value);
  for (const [name, key] of Object.entries(ACLS)) {
    // Next to the kernel's own form the text may have names, which mean nothing on another machine.
    const binary = found.get(name);
    const text = records.findLast(([told]) => told === key)?.[1];
    const acl = binary === undefined ? numericAcl(text ?? '') : readAcl(Buffer.from(binary, 'latin1'));
    found.delete(name);
    if (acl.length > 0 && !(name === 'system.posix_acl_access' && acl.length <= 3))
      found.set(name, acl.join('\n'));
  }
  const context = found.get(SELINUX);
  if (context !== undefined) found.set(SELINUX, context.replace(/\0$/, ''));
  return [...found].sort(([left], [right]) => (left < right ? -1 : 1));
}

const unescaped = (name: string): string =>
  name.replace(/%([0-9A-Fa-f]{2})/g, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));

/** The records that make GNU tar set these attributes. */
export const attributeRecords = (attributes: readonly Attribute[]): PaxRecords =>
  attributes.map(([name, value]) => {
    // As the library writes it that all programs use.
    if (name === SELINUX) return [`${XATTR}${name}`, `${value}\0`] as const;
    const acl = Object.entries(ACLS).find(([kernels]) => kernels === name)?.[1];
    return acl === undefined ? ([`${XATTR}${name}`, value] as const) : ([acl, `${value}\n`] as const);
  });

/** @source linux/posix_acl_xattr.h */
const TAGS: Readonly<Record<number, string>> = {
  1: 'user',
  2: 'user',
  4: 'group',
  8: 'group',
  16: 'mask',
  32: 'other',
};
const WITH_NUMBER = [2, 8];

/** Reads the kernel's form: a version, then a tag, rights and a number for each entry. */
function readAcl(bytes: Buffer): string[] {
  if (bytes.length < 4 || bytes.readUInt32LE(0) !== 2 || bytes.length % 8 !== 4)
    throw damaged('an ACL is malformed');
  const entries: string[] = [];
  for (let at = 4; at < bytes.length; at += 8) {
    const [tag, rights] = [bytes.readUInt16LE(at), bytes.readUInt16LE(at + 2)];
    const number = WITH_NUMBER.includes(tag) ? String(bytes.readUInt32LE(at + 4)) : '';
    entries.push(`${TAGS[tag] ?? ''}:${number}:${rightsText(rights)}`);
  }
  return entries;
}

const rightsText = (rights: number): string =>
  `${(rights & 4) === 0 ? '-' : 'r'}${(rights & 2) === 0 ? '-' : 'w'}${(rights & 1) === 0 ? '-' : 'x'}`;

const SHORT: Readonly<Record<string, string>> = { u: 'user', g: 'group', m: 'mask', o: 'other' };

/** @source acl(5), both text forms; star's form has the number behind the rights */
function numericAcl(text: string): string[] {
  return text
    .split(/[,\n\0]/)
    .map(line => line.replace(/#.*$/, '').trim())
    .filter(line => line !== '')
    .map(line => {
      const [type = '', name = '', rights = '', id = ''] = line.split(':').map(part => part.trim());
      const number = id === '' ? name : id;
      if (!/^\d*$/.test(number)) throw namesUser(line);
      const has = (letter: string): string => (rights.includes(letter) ? letter : '-');
      return `${SHORT[type.slice(0, 1)] ?? type}:${number}:${has('r')}${has('w')}${has('x')}`;
    });
}

const namesUser = (line: string): Error =>
  imageInvalid(
    `an ACL in the archive has a name for a number (${line})`,
    'pack the tree with --numeric-owner, or with --xattrs besides',
  );
