import { worstWindow } from '../../checker/budget.ts'
import type { Evidence } from '../../checker/evidence.ts'
import { countViolations, type Verdict } from '../../checker/verdict.ts'

/** The numbers of a run. */
export interface Report {
  ok: boolean
  requests: number
  /** Requests by the state they ended in. */
  states: Record<string, number>
  instances: { created: number; running: number; failed: number }
  /** Distinct events by kind. */
  events: Record<string, number>
  deadLetters: number
  /** Dead letters by their code. */
  rejections: Record<string, number>
  calls: { batchCreate: number; list: number; status: number; throttled: number }
  /** Calls whose answer never came, by what was found out about them. */
  unanswered: { adopted: number; voided: number }
  /** The project that used its budget most, over the time in which it called. */
  budget: { project: string; usedPercent: number; worstExcess: number } | null
  invariants: ReturnType<typeof countViolations>
  seconds: number
}

export function reportOf({
  evidence,
  verdict,
  eventCounts,
  seconds,
}: {
  evidence: Evidence
  verdict: Verdict
  eventCounts: Record<string, number>
  /** From the first message to the last end. */
  seconds: number
}): Report {
  const { requests, calls, ledgerInstances, deadLetters } = evidence
  const operation = (name: string) => calls.filter((call) => call.operation === name).length
  const instances = (...states: string[]) =>
    ledgerInstances.filter(({ state }) => states.includes(state)).length
  return {
    ok: verdict.ok,
    requests: requests.length,
    states: countBy(requests, ({ state }) => state),
    instances: { created: ledgerInstances.length, running: instances('running'), failed: instances('error') },
    events: eventCounts,
    deadLetters: deadLetters.length,
    rejections: countBy(deadLetters, ({ headers }) => String(headers['x-rejection-code'])),
    calls: {
      batchCreate: operation('RunInstances'),
      list: operation('ListInstances'),
      status: operation('ShowInstanceStatus'),
      throttled: calls.filter(({ status }) => status === 429).length,
    },
    unanswered: {
      adopted: evidence.attempts.filter(({ state }) => state === 'adopted').length,
      voided: evidence.attempts.filter(({ state }) => state === 'void').length,
    },
    budget: budgetOf(evidence),
    invariants: countViolations(verdict),
    seconds,
  }
}

/** The report as `--json` prints it. */
export function toJson(report: Report): string {
  const { ok, requests, states, instances, events, deadLetters, calls, invariants, seconds } = report
  return JSON.stringify({
    ok,
    requests,
    states,
    instances: { created: instances.created, running: instances.running },
    events,
    dead_letters: deadLetters,
    calls: {
      batch_create: calls.batchCreate,
      list: calls.list,
      status: calls.status,
      throttled: calls.throttled,
    },
    invariants,
    seconds: Number(seconds.toFixed(2)),
  })
}

function budgetOf({ calls, limit }: Evidence): Report['budget'] {
  let most: Report['budget'] = null
  const counted = calls.filter((call) => call.project !== '')
  for (const [project, own] of Map.groupBy(counted, (call) => call.project)) {
    const creating = own.filter(({ operation }) => operation === 'RunInstances').map((call) => call.at_ms)
    const times = own.map((call) => call.at_ms).toSorted((a, b) => a - b)
    const [first = 0, last = 0] = [times[0], creating.at(-1)]
    const span = Math.max(0, last - first) / 1000
    const within = times.filter((time) => time <= last).length
    const usedPercent = (100 * within) / (limit.burst + limit.perSecond * span)
    const worstExcess = worstWindow(times, limit).excess
    if (most === null || usedPercent > most.usedPercent) most = { project, usedPercent, worstExcess }
  }
  return most
}

function countBy<Item>(items: readonly Item[], keyOf: (item: Item) => string): Record<string, number> {
  const groups = [...Map.groupBy(items, keyOf)].map(([key, group]): [string, number] => [key, group.length])
  return Object.fromEntries(groups.toSorted(([a], [b]) => a.localeCompare(b)))
}
