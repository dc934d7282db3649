/** What the nodes are installed with. */
export const FIRST_VERSION = 'v1.35.1';

/** The patch version after the one that a node reports as its `osImage`: `KubeOS 1.35.1` → `v1.35.2`. */
export function nextVersion(osImage: string): string {
  const [, minor, patch] = /(\d+\.\d+)\.(\d+)$/.exec(osImage) ?? [];
  if (minor === undefined) throw new Error(`no version in ${JSON.stringify(osImage)}`);
  return `v${minor}.${Number(patch) + 1}`;
}

/** What a node with the system of that version reports. */
export const osImageOf = (version: string): string => `KubeOS ${version.replace(/^v/, '')}`;
