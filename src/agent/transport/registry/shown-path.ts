/** A path as it is on the host, for messages. @param hostRoot where the host's root is mounted */
export const shownPath = (hostRoot: string, path: string): string =>
  hostRoot !== '/' && path.startsWith(`${hostRoot}/`) ? path.slice(hostRoot.length) : path;
