/** How a series of calls kept to a token bucket of `rate` calls per second and `burst`. */
export type BudgetCheck = {
  calls: number
  /** From the first to the last call, seconds. */
  span_seconds: number
  /** The most calls by which any window of T seconds went over `burst + rate*T`; 0 or less: never over. */
  worst_excess: number
  /** Calls made as a share of `burst + rate * span`. */
  utilisation: number
}

/**
 * Judges arrival times (the clock's ms, ascending). A window that starts and ends at a call is always the worst,
 * so for each call the best earlier start is kept while going through once.
 */
export function checkBudget(
  times: readonly number[],
  { rate, burst }: { rate: number; burst: number },
): BudgetCheck {
  const first = times[0] ?? 0
  let lead = Number.NEGATIVE_INFINITY
  let worst = Number.NEGATIVE_INFINITY
  for (const [index, time] of times.entries()) {
    const paced = index - ((time - first) * rate) / 1000
    lead = Math.max(lead, -paced)
    worst = Math.max(worst, paced + lead + 1 - burst)
  }
  const span = ((times.at(-1) ?? first) - first) / 1000
  return {
    calls: times.length,
    span_seconds: span,
    worst_excess: times.length === 0 ? -burst : worst,
    utilisation: times.length / (burst + rate * span),
  }
}
