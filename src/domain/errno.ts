/** The word of the system or the runtime for an error (`ENOENT`, `ECONNRESET`, …); empty if it has none. */
export function errnoOf(error: unknown): string {
  if (!(error instanceof Error) || !('code' in error)) return '';
  return typeof error.code === 'string' ? error.code : '';
}
