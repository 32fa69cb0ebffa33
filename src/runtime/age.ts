/**
 * Starts to count: returns the milliseconds since, by whichever clock advanced more: the monotonic one stands still
 * while the machine is stopped, the other one may be set back.
 */
export function startAge(): () => number {
  const monotonic = performance.now()
  const wall = Date.now()
  return () => Math.max(performance.now() - monotonic, Date.now() - wall)
}
