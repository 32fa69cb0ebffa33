/** Ages remembered: enough to know the usual one, few enough to follow a change of route. */
const REMEMBERED = 32
/** A burst of one leaves no room at all; clocks and networks need this much, in milliseconds. */
const LEAST_SPREAD_MS = 25

export interface ArrivalGuard {
  /**
   * Whether a call may be written now, `ageMs` after its token was taken, when it may be `spreadMs` later than the
   * calls around it.
   */
  admits(call: { ageMs: number; spreadMs: number }): boolean
}

/**
 * Keeps the call limit true where CloudDC counts: at the arrival. A call that was held up after it got its token (a
 * stopped process, a busy machine, a slow connection) would arrive together with those that got theirs later. How
 * long a call takes on its way does not matter, only how much longer than the others; so its age is held against the
 * least of the last ages, refused ones included, and a way that is slow for all is no delay for any.
 */
export function createArrivalGuard(): ArrivalGuard {
  const ages: number[] = []
  return {
    admits: ({ ageMs, spreadMs }) => {
      ages.push(ageMs)
      if (ages.length > REMEMBERED) ages.shift()
      return ageMs - Math.min(...ages) <= Math.max(spreadMs, LEAST_SPREAD_MS)
    },
  }
}

/**
 * How much later than others a call may arrive, in milliseconds, when its token was one of `tokens`: from there at most
 * `tokens + perSecond * (T + spread)` calls arrive in T seconds, and `burst + perSecond * T` are allowed.
 */
export function allowedSpreadMs(
  tokens: number,
  { perSecond, burst }: { perSecond: number; burst: number },
): number {
  return (Math.max(0, burst - tokens) / perSecond) * 1000
}
