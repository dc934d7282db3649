/**
 * Runs every item: first those that can share the world, so many side by side, in their order; then those that need it
 * alone, one after the other. Never rejects by itself: `run` must not.
 */
export async function inTurn<Item extends { readonly isAlone?: boolean }>(
  items: readonly Item[],
  sideBySide: number,
  run: (item: Item) => Promise<void>,
): Promise<void> {
  const shared = items.filter(({ isAlone }) => !isAlone);
  const work = async (): Promise<void> => {
    for (let item = shared.shift(); item; item = shared.shift()) await run(item);
  };
  await Promise.all(Array.from({ length: sideBySide }, work));
  for (const item of items) if (item.isAlone) await run(item);
}
