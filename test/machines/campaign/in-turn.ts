/** Idle cases that run at the same time: each is a machine that boots now and then. */
const SIDE_BY_SIDE = 3;

/** Runs every item in its order; neighbours that are idle run side by side. Never rejects by itself: `run` must not. */
export async function inTurn<Item extends { readonly isIdle?: boolean }>(
  items: readonly Item[],
  run: (item: Item) => Promise<void>,
): Promise<void> {
  const waiting = [...items];
  const work = async (): Promise<void> => {
    for (let item = waiting[0]; item?.isIdle; item = waiting[0]) {
      waiting.shift();
      await run(item);
    }
  };
  for (let item = waiting[0]; item; item = waiting[0]) {
    if (item.isIdle) await Promise.all(Array.from({ length: SIDE_BY_SIDE }, work));
    else {
      waiting.shift();
      await run(item);
    }
  }
}
