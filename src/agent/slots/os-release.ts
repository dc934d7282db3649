import type { OsRelease } from '../ports.ts';

/** Where a system says what it is; the first that is there counts. @source os-release(5) */
export const OS_RELEASE_FILES = ['/etc/os-release', '/usr/lib/os-release'] as const;

/**
 * Reads the two fields that tell a system's version.
 * @source os-release(5): shell-like assignments, the last of a name wins
 */
export function parseOsRelease(text: string): OsRelease {
  const fields = new Map<string, string>();
  for (const line of text.split('\n')) {
    const match = /^\s*([A-Z0-9_]+)=(.*?)\s*$/.exec(line);
    if (match !== null) fields.set(match[1] ?? '', unquote(match[2] ?? ''));
  }
  return { versionId: fields.get('VERSION_ID') ?? '', prettyName: fields.get('PRETTY_NAME') ?? '' };
}

function unquote(value: string): string {
  const [, single] = /^'(.*)'$/.exec(value) ?? [];
  if (single !== undefined) return single;
  const [, double] = /^"(.*)"$/.exec(value) ?? [];
  return (double ?? value).replace(/\\([\\"$`])/g, '$1');
}
