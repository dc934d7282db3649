/**
 * Leaves tests out, and says so, for a user who is not root. In continuous integration a skipped test is a failure, so it
 * cannot go unseen there.
 * @param what "mounting a slot"
 */
export function needsRoot(test: Mocha.Context, what: string): void {
  if (process.getuid?.() === 0) return;
  console.log(`  ${what} needs root: run npm test as root to see these tests`);
  test.skip();
}
