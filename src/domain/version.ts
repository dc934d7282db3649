import semver from 'semver';

const MAX_REMEMBERED = 1000;
const remembered = new Map<string, semver.SemVer | undefined>();

/** Reads `v1.35.3`, `1.35.3`, `1.35` or `2`; `undefined` for anything that is no version. */
export function parseVersion(text: string): semver.SemVer | undefined {
  // Thousands of nodes run the same few versions, and each is judged on every change.
  if (remembered.has(text)) return remembered.get(text);
  const version =
    semver.parse(text, { loose: true }) ??
    (/^v?\d+(\.\d+)?$/.test(text) ? semver.coerce(text) : null) ??
    undefined;
  if (remembered.size >= MAX_REMEMBERED) remembered.clear();
  remembered.set(text, version);
  return version;
}

/** Same version, with or without the leading `v`. Texts that are no versions are compared as they are. */
export function isSameVersion(left: string, right: string): boolean {
  const [l, r] = [parseVersion(left), parseVersion(right)];
  return l && r ? l.compare(r) === 0 && l.build.join() === r.build.join() : left === right;
}

/** Writes `version` in the style of `like`: with a leading `v` if that has one. */
export function inStyleOf(like: string, version: string): string {
  if (parseVersion(version) === undefined || !/^v?\d/.test(like)) return version;
  const bare = version.replace(/^v/, '');
  return like.startsWith('v') ? `v${bare}` : bare;
}

/** Versions in descending order; what is no version comes last, as it stands. */
export const newestFirst = (versions: readonly string[]): string[] =>
  versions.toSorted((left, right) => {
    const [l, r] = [parseVersion(left), parseVersion(right)];
    if (l && r) return r.compare(l) || r.compareBuild(l);
    return Number(r !== undefined) - Number(l !== undefined);
  });
