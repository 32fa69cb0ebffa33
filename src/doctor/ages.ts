import { statSync } from 'node:fs'

const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
] as const

/** A time that has passed or is to come, in whole units of at most two digits mostly: `3 hours`. */
export function lengthOf(ms: number): string {
  const [unit, size] = UNITS.find(([, length]) => ms >= 2 * length) ?? ['second', 1000]
  const count = Math.max(0, Math.floor(ms / size))
  return `${count} ${unit}${count === 1 ? '' : 's'}`
}

/** How long ago a file was written, in milliseconds; null for one that is not there. */
export function fileAge(path: string): number | null {
  const written = statSync(path, { throwIfNoEntry: false })?.mtimeMs
  return written === undefined ? null : Math.max(0, Date.now() - written)
}
