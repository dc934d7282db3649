/** One archive of those that a slot's file system is made of. */
export interface Layer {
  /** For messages: its digest, or its address without secrets. */
  readonly name: string;
  /** Bytes as they are fetched, 0 while it is not known. */
  readonly sizeBytes: number;
  /**
   * The fetched bytes, from first to last, packed as they are on the server. The connection resumes by itself.
   * @throws StalledError `ChecksumMismatch` at the end, if they do not have the digest; what a fetch throws
   */
  open(): AsyncIterator<Buffer>;
}

/** An image in a registry, its manifest read. */
export interface RegistryImage {
  /** `sha256:<hex>` of the manifest of this platform. */
  readonly digest: string;
  /** The lowest first. */
  readonly layers: readonly Layer[];
}
