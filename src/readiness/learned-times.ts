import type { BootCurve } from '../forecast/boot-curve.ts'

/** The calls of a learned schedule, as a part of those that the growing intervals need. */
const PART_OF_CALLS = 0.72
/** Steps in which the wait is looked for, per shortest interval. */
const STEPS = 4
const SEARCH_ROUNDS = 24

/** A pending instance of a poll that was answered. */
export interface PendingAge {
  ageMs: number
  /** Null where nothing is known of its image. */
  curve: BootCurve | null
}

export interface LearnedTimes {
  /** How long the next poll of these instances waits, in milliseconds; null where nothing is known of any of them. */
  nextInMs(pending: readonly PendingAge[]): number | null
}

/**
 * When to poll, by what is known of boot times: pure.
 *
 * Of a wait `d` an instance that comes to run at the rate `h` loses d/2 on average, and each poll costs a call. With a
 * call worth `c` of waiting, the cost per time, c/d + h*d/2, is least for d = sqrt(2c/h). So polls are further apart where
 * hardly anything comes to run, and the next one is due when the integral of sqrt(h/2c) reaches 1, which does not
 * step over the begin of a cluster. `c` follows from the curve: such that an instance polled alone needs a part of the
 * calls that the growing intervals need.
 *
 * Of several instances in one poll, h may be their sum, since one call asks for all; or their mean, since they would have
 * been polled together before, too. The wait by the sum is the least, that by the mean the longest, and as long as others
 * are younger, it is no longer than the growing interval.
 */
export function createLearnedTimes(intervalsMs: readonly number[]): LearnedTimes {
  const minMs = intervalsMs[0] ?? 1
  const maxMs = intervalsMs.at(-1) ?? minMs
  const costs = new WeakMap<BootCurve, number>()
  const costOf = (curve: BootCurve): number => {
    const known = costs.get(curve)
    if (known !== undefined) return known
    const cost = findCost(curve, intervalsMs)
    costs.set(curve, cost)
    return cost
  }

  return {
    nextInMs: (pending) => {
      const known = pending.flatMap(({ ageMs, curve }) =>
        curve === null || ageMs >= curve.endMs ? [] : [{ ageMs, curve, costMs: costOf(curve) }],
      )
      if (known.length === 0) return null
      const waits = waitsOf(known, { minMs, maxMs })
      const grown = Math.min(...pending.map(({ ageMs }) => grownInterval(ageMs, intervalsMs)))
      const others = pending.length > known.length ? grown : maxMs
      return Math.min(others, Math.max(waits.bySum, Math.min(waits.byMean, grown)))
    },
  }
}

interface KnownAge {
  ageMs: number
  curve: BootCurve
  costMs: number
}

/** When the integral reaches 1, between the bounds. */
function waitsOf(
  known: readonly KnownAge[],
  { minMs, maxMs }: { minMs: number; maxMs: number },
): { byMean: number; bySum: number } {
  const stepMs = minMs / STEPS
  const times = Math.sqrt(known.length)
  let integral = 0
  let bySum: number | null = null
  for (let waitMs = stepMs; waitMs < maxMs; waitMs += stepMs) {
    let rate = 0
    for (const { ageMs, curve, costMs } of known)
      rate += curve.hazard(ageMs + waitMs - stepMs / 2) / (2 * costMs)
    integral += Math.sqrt(rate / known.length) * stepMs
    if (integral * times >= 1) bySum ??= Math.max(minMs, waitMs)
    if (integral >= 1) return { byMean: Math.max(minMs, waitMs), bySum: bySum ?? maxMs }
  }
  return { byMean: maxMs, bySum: bySum ?? maxMs }
}

/** The growing interval that an instance of that age waits. */
function grownInterval(ageMs: number, intervalsMs: readonly number[]): number {
  let polledAt = 0
  for (const intervalMs of intervalsMs) {
    polledAt += intervalMs
    if (polledAt > ageMs) return intervalMs
  }
  return intervalsMs.at(-1) ?? 0
}

/** What a call is worth, in milliseconds of one instance's waiting. */
function findCost(curve: BootCurve, intervalsMs: readonly number[]): number {
  const [minMs, maxMs] = [intervalsMs[0] ?? 1, intervalsMs.at(-1) ?? 1]
  const most = PART_OF_CALLS * expectedCalls(curve, minMs, (ageMs) => grownInterval(ageMs, intervalsMs))
  let [low, high] = [0, Math.log(1e9)]
  for (let round = 0; round < SEARCH_ROUNDS; round += 1) {
    const middle = (low + high) / 2
    const step = Math.sqrt(2 * Math.exp(middle))
    const next = (ageMs: number) =>
      Math.min(maxMs, Math.max(minMs, curve.unwarp(curve.warp(ageMs) + step) - ageMs))
    if (expectedCalls(curve, minMs, next) > most) low = middle
    else high = middle
  }
  return Math.exp(high)
}

/** Polls of one instance until it is found to run. */
function expectedCalls(curve: BootCurve, firstMs: number, next: (ageMs: number) => number): number {
  let calls = 1
  for (let ageMs = firstMs; ageMs < curve.endMs; ageMs += next(ageMs)) calls += curve.survival(ageMs)
  return calls
}
