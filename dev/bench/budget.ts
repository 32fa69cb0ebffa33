/** What an independent token bucket of the same size says to a series of arrivals, in milliseconds, ascending. */
export interface BudgetJudgement {
  calls: number
  seconds: number
  /** Calls as a share of `burst + rate * T`. */
  use: number
  /** Calls that it would have refused. */
  violations: number
}

/** Half a token's worth of rounding is no violation of a count that is whole. */
const ROUNDING = 1e-6

export function judgeBudget(
  times: readonly number[],
  { rate, burst }: { rate: number; burst: number },
): BudgetJudgement {
  const first = times[0] ?? 0
  let tokens = burst
  let last = first
  let violations = 0
  for (const time of times) {
    tokens = Math.min(burst, tokens + ((time - last) / 1000) * rate)
    last = time
    if (tokens >= 1 - ROUNDING) tokens -= 1
    else violations += 1
  }
  const seconds = (last - first) / 1000
  return { calls: times.length, seconds, use: times.length / (burst + rate * seconds), violations }
}
