/** The system's word for an error (`ENOENT`, `ENOSPC`, …); empty if it has none. */
export function errnoOf(error: unknown): string {
  if (!(error instanceof Error) || !('code' in error)) return '';
  return typeof error.code === 'string' ? error.code : '';
}
