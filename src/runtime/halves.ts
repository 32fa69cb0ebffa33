/**
 * Does work for all items at once. Where it fails for a reason that lies in the items, it is done for either half by
 * itself, until those at fault stand alone. Results come in the order of the items; any other error is thrown.
 */
export async function writeInHalves<Item, Result>(
  items: readonly Item[],
  work: (items: readonly Item[]) => Promise<readonly Result[]>,
  liesInItems: (error: unknown) => boolean,
): Promise<PromiseSettledResult<Result>[]> {
  try {
    const results = await work(items)
    return results.map((value) => ({ status: 'fulfilled', value }))
  } catch (reason) {
    if (!liesInItems(reason)) throw reason
    if (items.length <= 1) return items.map(() => ({ status: 'rejected', reason }))
    const middle = items.length >> 1
    const first = await writeInHalves(items.slice(0, middle), work, liesInItems)
    return [...first, ...(await writeInHalves(items.slice(middle), work, liesInItems))]
  }
}

/** The value of a settled result, or its error thrown. */
export function resultOf<Result>(result: PromiseSettledResult<Result>): Result {
  if (result.status === 'rejected') throw result.reason
  return result.value
}
