/** Leaves a test out, and says so, where file systems cannot be mounted. */
export function needsMounts(test: Mocha.Context): void {
  if (process.getuid?.() === 0) return;
  // In continuous integration a skipped test is a failure, so it cannot go unseen there.
  console.log('  mounting a slot needs root: run npm test as root to see these tests');
  test.skip();
}
