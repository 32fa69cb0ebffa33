/**
 * Delay before try number `failures + 1`, in milliseconds: doubles from `minMs`, capped at `maxMs`, and is drawn
 * from the upper half of that range, so that replicas that failed together do not come back together.
 */
export function jitteredBackoff(
  failures: number,
  { minMs, maxMs }: { minMs: number; maxMs: number },
  random: () => number = Math.random,
): number {
  const ceiling = Math.min(maxMs, minMs * 2 ** Math.min(Math.max(failures - 1, 0), 30))
  return ceiling * (0.5 + random() / 2)
}
