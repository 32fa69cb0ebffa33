const GROWTH = 1.5

/** Milliseconds between polls of one instance: from `minMs`, growing by half each time, up to `maxMs`. */
export function pollIntervals({ minMs, maxMs }: { minMs: number; maxMs: number }): number[] {
  const intervals = [Math.min(minMs, maxMs)]
  for (let last = minMs; last < maxMs; ) {
    last = Math.min(maxMs, Math.round(last * GROWTH))
    intervals.push(last)
  }
  return intervals
}
