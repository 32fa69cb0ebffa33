import type { CaseFile } from './case-file.ts'
import type { CallLimit, LedgerCall } from './evidence.ts'
import type { Violation } from './verdict.ts'

/** Calls over the limit that are due to the clock's own granularity: far below one call. */
const GRANULARITY = 1e-6

export interface WorstWindow {
  /** Calls beyond `burst + perSecond * T`; negative where every window has room left. */
  excess: number
  calls: number
  fromMs: number
  toMs: number
}

/**
 * The window that comes closest to the limit, or goes furthest beyond: exact over all windows, in one pass. A window
 * that begins and ends with a call is the worst of those that hold the same calls. With p(i) = i - rate * t(i), the
 * calls i..k make `k - i + 1 - rate * (t(k) - t(i)) = p(k) - p(i) + 1`, so the least p so far is the worst beginning; among
 * equals the latest, for the shortest window.
 *
 * @param times arrival times in milliseconds, ascending
 */
export function worstWindow(times: readonly number[], { perSecond, burst }: CallLimit): WorstWindow {
  const origin = times[0] ?? 0
  let least = { paced: Number.POSITIVE_INFINITY, index: 0 }
  let worst: WorstWindow = { excess: -burst, calls: 0, fromMs: origin, toMs: origin }
  for (const [index, time] of times.entries()) {
    const paced = index - ((time - origin) / 1000) * perSecond
    if (paced <= least.paced) least = { paced, index }
    const excess = paced - least.paced + 1 - burst
    if (excess > worst.excess) {
      worst = { excess, calls: index - least.index + 1, fromMs: times[least.index] ?? origin, toMs: time }
    }
  }
  return worst
}

/**
 * I5: in no window of any length more calls of a project, of all kinds together, than `burst + rate * T`; nor of a user
 * over all projects, where that was promised.
 */
export function findBudgetViolations({ evidence }: CaseFile): Violation[] {
  const { calls, limit, userLimit } = evidence
  const counted = calls.filter((call) => call.project !== '')
  const ofProjects = Map.groupBy(counted, (call) => call.project)
  const ofUsers = Map.groupBy(
    counted.filter((call) => call.user !== ''),
    (call) => call.user,
  )
  return [
    ...excesses(ofProjects, limit, (project) => project),
    ...(userLimit === null ? [] : excesses(ofUsers, userLimit, (user) => `user ${user}`)),
  ]
}

function excesses(
  groups: ReadonlyMap<string, readonly LedgerCall[]>,
  limit: CallLimit,
  subjectOf: (name: string) => string,
): Violation[] {
  return [...groups].flatMap(([name, own]) => {
    const worst = worstWindow(
      own.map((call) => call.at_ms).toSorted((a, b) => a - b),
      limit,
    )
    if (worst.excess <= GRANULARITY) return []
    const seconds = ((worst.toMs - worst.fromMs) / 1000).toFixed(3)
    const allowed = `${limit.burst} + ${limit.perSecond} * ${seconds}`
    return [
      { subject: subjectOf(name), message: `${worst.calls} calls within ${seconds} s, allowed ${allowed}` },
    ]
  })
}
