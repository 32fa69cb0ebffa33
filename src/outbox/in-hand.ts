/** Positions of segments that were read and not yet removed. */
export interface InHand {
  add(position: number): void
  delete(position: number): void
  size(): number
  /** All of them as an int8multirange, such as `{[4,7),[9,10)}`: Postgres looks a position up in it by halving. */
  ranges(): string
}

export function createInHand(): InHand {
  const held = new Set<number>()
  /** Ascending, but for what has been added since the last look; holds also some that have left. */
  let ordered: number[] = []
  let highest = Number.NEGATIVE_INFINITY
  let inOrder = true

  return {
    add: (position) => {
      held.add(position)
      ordered.push(position)
      if (position <= highest) inOrder = false
      else highest = position
    },
    delete: (position) => {
      held.delete(position)
    },
    size: () => held.size,
    ranges: () => {
      ordered = inOrder
        ? ordered.filter((position) => held.has(position))
        : [...held].sort((one, other) => one - other)
      inOrder = true
      highest = ordered.at(-1) ?? Number.NEGATIVE_INFINITY
      return `{${rangesOf(ordered).join(',')}}`
    },
  }
}

/** Runs of positions without a gap, as half-open ranges. */
function rangesOf(ascending: readonly number[]): string[] {
  const ranges: string[] = []
  let first: number | undefined
  let end = Number.NaN
  for (const position of ascending) {
    if (position !== end) {
      if (first !== undefined) ranges.push(`[${first},${end})`)
      first = position
    }
    end = position + 1
  }
  if (first !== undefined) ranges.push(`[${first},${end})`)
  return ranges
}
