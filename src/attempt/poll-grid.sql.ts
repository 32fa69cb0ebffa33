/**
 * SQL: the time of a poll `ms` from clock.ts, on the grid of a fifth of that interval, so that instances created one by
 * one come due together.
 */
export function pollOnGrid(ms: string): string {
  return `to_timestamp(ceil((extract(epoch FROM clock.ts)::float8 + ${ms} / 1000) / (${ms} / 5000)) * (${ms} / 5000))`
}
