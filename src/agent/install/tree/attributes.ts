import { createHash } from 'node:crypto';
import type { Attribute } from '../tar/member.ts';

/**
 * One text for a set of attributes, the same whatever their order and spelling: empty for none, else a hash.
 */
export function attributesOf(attributes: readonly Attribute[]): string {
  const told = new Map(attributes.map(([key, value]) => [key, canonical(key, value)]));
  const lines = [...told]
    .filter(([, value]) => value !== '')
    .map(([key, value]) => `${key.length}:${key}=${value}`);
  if (lines.length === 0) return '';
  return createHash('sha256').update(lines.sort().join('\0'), 'latin1').digest().toString('latin1');
}

function canonical(key: string, value: string): string {
  if (key.startsWith('SCHILY.acl.')) return canonicalAcl(value, key.endsWith('access'));
  return key === 'RHT.security.selinux' ? value.replace(/\0$/, '') : value;
}

/**
 * The entries of an ACL in one spelling: `type:number:rwx`. An ACL that only repeats the file's mode is none.
 * @source acl(5), long and short text forms; star's form has the number behind the name
 */
function canonicalAcl(text: string, isAccess: boolean): string {
  const entries = text
    .split(/[,\n]/)
    .map(line => line.replace(/#.*$/, '').trim())
    .filter(line => line !== '')
    .map(line => {
      const [type = '', name = '', rights = '', id = ''] = line.split(':').map(part => part.trim());
      return `${type.slice(0, 1)}:${id || name}:${rights}`;
    });
  return isAccess && entries.length <= 3 ? '' : entries.sort().join(',');
}
