/** Something that ends. */
export interface Lease<Value> {
  value: Value
  /** Milliseconds from now. */
  lifeMs: number
}

/** How long something lives, by the clock of who gave it where its answer has a date. NaN when `expiresAt` is no time. */
export function lifeOf(expiresAt: string, date: string | undefined, now: () => number = Date.now): number {
  const answered = date === undefined ? Number.NaN : Date.parse(date)
  return Date.parse(expiresAt) - (Number.isNaN(answered) ? now() : answered)
}
