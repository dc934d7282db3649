import { END_MARK, encodeMember } from '../../../../src/agent/install/tar/encode-member.ts';
import { paddingOf } from '../../../../src/agent/install/tar/header.ts';
import type { Member } from '../../../../src/agent/install/tar/member.ts';

/** A member; a plain file unless told otherwise. */
export const member = (path: string, change: Partial<Member> = {}): Member => ({
  path,
  kind: 'file',
  mode: 0o644,
  uid: 0,
  gid: 0,
  mtime: '1700000000',
  sizeBytes: 0,
  linkTarget: '',
  deviceMajor: 0,
  deviceMinor: 0,
  attributes: [],
  ...change,
});

export const file = (path: string, text = 'x'): [Member, Buffer] => {
  const bytes = Buffer.from(text);
  return [member(path, { sizeBytes: bytes.length }), bytes];
};
export const directory = (path: string): [Member, Buffer] => [
  member(path, { kind: 'directory', mode: 0o755 }),
  Buffer.alloc(0),
];
export const symlink = (path: string, linkTarget: string): [Member, Buffer] => [
  member(path, { kind: 'symlink', linkTarget }),
  Buffer.alloc(0),
];
export const hardlink = (path: string, linkTarget: string): [Member, Buffer] => [
  member(path, { kind: 'hardlink', linkTarget }),
  Buffer.alloc(0),
];

/** An archive, with names that no program would write. */
export const tarOf = (...entries: [Member, Buffer][]): Buffer =>
  Buffer.concat([
    ...entries.flatMap(([told, bytes]) => [encodeMember(told), bytes, Buffer.alloc(paddingOf(bytes.length))]),
    END_MARK,
  ]);
