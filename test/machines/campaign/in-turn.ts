/** Cases that run at the same time: an emulated machine keeps one processor busy while it boots, and mostly waits else. */
const SIDE_BY_SIDE = 3;

/**
 * Runs every item: first those that can share the world, side by side in their order, then those that need it alone, one
 * after the other. Never rejects by itself: `run` must not.
 */
export async function inTurn<Item extends { readonly isAlone?: boolean }>(
  items: readonly Item[],
  run: (item: Item) => Promise<void>,
): Promise<void> {
  const shared = items.filter(({ isAlone }) => !isAlone);
  const work = async (): Promise<void> => {
    for (let item = shared.shift(); item; item = shared.shift()) await run(item);
  };
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, work));
  for (const item of items) if (item.isAlone) await run(item);
}
