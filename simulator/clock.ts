/**
 * Milliseconds since the epoch with a fraction, never going back: one number serves as arrival time (for
 * judging call budgets) and as timestamp.
 */
export type Clock = () => number

export const monotonicClock: Clock = () => performance.timeOrigin + performance.now()

/** ISO 8601 UTC with milliseconds. The document gives no timestamp format. */
export const isoTime = (at: number): string => new Date(at).toISOString()
