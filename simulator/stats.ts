import type { CallBook } from './ledger.ts'
import { countStates } from './operate.ts'
import type { Worlds } from './world.ts'

export type OperationStats = {
  calls: number
  /** Answers by status; a cut call without answer counts under `cut`. */
  statuses: Record<string, number>
}

export type Stats = {
  uptime_ms: number
  calls: number
  in_flight: number
  /** Answers with status 429, by limit or by fault. */
  throttled: number
  /** Calls over the limit, refused or only counted. */
  over_limit: number
  /** Creates refused for want of servers. */
  bound_to_fail: number
  operations: Record<string, OperationStats>
  instances: { created: number; states: Record<string, number> }
  projects: number
}

export function statsOf({
  callBook,
  worlds,
  startedAt,
  now,
}: {
  callBook: CallBook
  worlds: Worlds
  startedAt: number
  now: number
}): Stats {
  const operations: Record<string, OperationStats> = {}
  let throttled = 0
  let overLimit = 0
  let boundToFail = 0
  for (const call of callBook.calls()) {
    if (call.status === 429) throttled += 1
    if (call.over_limit) overLimit += 1
    if (call.bound_to_fail) boundToFail += 1
    operations[call.operation] ??= { calls: 0, statuses: {} }
    const stats = operations[call.operation] as OperationStats
    stats.calls += 1
    const key = call.status === null ? (call.cut === null ? 'none' : 'cut') : String(call.status)
    stats.statuses[key] = (stats.statuses[key] ?? 0) + 1
  }
  const instances = worlds.instances()
  return {
    uptime_ms: now - startedAt,
    calls: callBook.count(),
    in_flight: callBook.inFlight(),
    throttled,
    over_limit: overLimit,
    bound_to_fail: boundToFail,
    operations,
    instances: { created: instances.length, states: countStates(instances, now) },
    projects: worlds.known().length,
  }
}
