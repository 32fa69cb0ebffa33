/** An instant for people: UTC to the second, in a form that options take, too. Pure. */
export function at(time: string | null | undefined): string | null {
  return time ? time.replace(/\.\d+Z$/, 'Z') : null
}

const UNITS = [
  [86_400, 'd'],
  [3600, 'h'],
  [60, 'min'],
  [1, 's'],
] as const

/** How long, in its one or two largest units: `2 h 5 min`. Pure. */
export function lasting(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const first = UNITS.findIndex(([size]) => whole >= size)
  if (first < 0) return '0 s'
  const [size, unit] = UNITS[first] ?? [1, 's']
  const [smaller, smallUnit] = UNITS[first + 1] ?? [1, '']
  const rest = first === UNITS.length - 1 ? 0 : Math.floor((whole % size) / smaller)
  return `${Math.floor(whole / size)} ${unit}${rest === 0 ? '' : ` ${rest} ${smallUnit}`}`
}

/** How long ago; null for no time. */
export function age(time: string | null | undefined, now: number = Date.now()): string | null {
  return time ? lasting((now - Date.parse(time)) / 1000) : null
}

/** When, and how far from now: `2026-11-26T11:22:03Z (in 5 s)`. */
export function when(time: string | null | undefined, now: number = Date.now()): string | null {
  if (!time) return null
  const seconds = (Date.parse(time) - now) / 1000
  return `${at(time)} (${seconds > 0 ? `in ${lasting(seconds)}` : `${lasting(-seconds)} ago`})`
}
