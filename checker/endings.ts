import type { CaseFile, RequestCase } from './case-file.ts'
import { sameCounts } from './counts.ts'
import { keyOf, type LedgerInstance, TERMINAL_STATES } from './evidence.ts'
import type { Violation } from './verdict.ts'

/** CloudDC's words for instances that did not come to run. */
const FAILED_UPSTREAM = ['error', 'shutting-down', 'terminated']

/** The call's way to CloudDC, and what the wall clock and the ledger's clock may have drifted apart. */
const CLOCK_SPREAD_MS = 250

/** Answers that may end a request: the order is wrong, or cannot be carried out as it is. */
const REFUSALS = [400, 404, 409, 413, 415, 422]

/**
 * I3: every request has ended, in the state that the ledger justifies. With `demandTerminal` false, one that says
 * what it waits for and until when is in order too.
 */
export function findUnfinished(
  { evidence, cases }: CaseFile,
  { demandTerminal }: { demandTerminal: boolean },
): Violation[] {
  const violations: Violation[] = []
  if (evidence.queueDepth > 0) {
    violations.push({
      subject: 'request queue',
      message: `${evidence.queueDepth} messages were not taken off it`,
    })
  }
  for (const one of cases) {
    const { key, row } = one
    if (TERMINAL_STATES.includes(row.state)) {
      const message = contradictionOf(one)
      if (message !== null) violations.push({ subject: key, message })
      continue
    }
    if (demandTerminal || row.waiting === null) {
      const waits = row.waiting
        ? `waiting (${row.waiting.reason}) until ${row.waiting.until?.toISOString() ?? 'somebody ends it'}`
        : 'and does not say what it waits for'
      violations.push({ subject: key, message: `still ${row.state}, ${waits}` })
    }
  }
  return violations
}

/** Requests that ended in a legal way, but not in the one that was meant. */
export function findSurprisingEnds({ cases }: CaseFile): Violation[] {
  return cases.flatMap(({ key, row, messages, ledgerInstances }) => {
    // Those with the same content end alike: the first that says something about the end counts.
    const expected = messages.find(({ expect }) => expect.kind !== 'copy')?.expect.kind
    const created = ledgerInstances.length > 0
    const message = `ended ${row.state} (${row.errorCode ?? 'no error'}), expected`
    if (expected === 'creates' && !created) return [{ subject: key, message: `${message} instances` }]
    if (expected === 'refused' && row.state !== 'failed')
      return [{ subject: key, message: `${message} failed` }]
    if (expected === 'expires' && row.state !== 'expired')
      return [{ subject: key, message: `${message} expired` }]
    if (expected === 'cancels' && row.state !== 'cancelled') {
      return [{ subject: key, message: `${message} cancelled` }]
    }
    return []
  })
}

/** Orders that reached CloudDC after the deadline of their request. */
export function findLateOrders({ cases }: CaseFile): Violation[] {
  return cases.flatMap(({ key, order, calls }) => {
    const deadline = order?.deadline?.getTime() ?? Number.POSITIVE_INFINITY
    return calls
      .filter((call) => call.at_ms > deadline + CLOCK_SPREAD_MS)
      .map((call) => ({
        subject: key,
        message: `call ${call.n} came ${call.at_ms - deadline} ms after its deadline`,
      }))
  })
}

/** Ended requests of which the HTTP API says something else than their row. */
export function findWrongStatuses({ evidence, byKey }: CaseFile): Violation[] {
  return evidence.statuses.flatMap((status) => {
    const found = byKey.get(keyOf(status.projectId, status.requestId))
    if (found === undefined || !TERMINAL_STATES.includes(found.row.state)) return []
    const { state, min, max, created, running, failed } = found.row
    const same =
      status.state === state &&
      status.instances === found.instances.length &&
      sameCounts(status.counts, { min, max, created, running, failed })
    return same
      ? []
      : [{ subject: found.key, message: `the API says ${status.state}, or other counts than the row` }]
  })
}

/** How a terminal state contradicts the ledger, or null. */
function contradictionOf(one: RequestCase): string | null {
  const { row, calls, ledgerInstances, instances, order } = one
  if (row.hasPassword) return `${row.state}, and the sealed password is still stored`
  // What was found after the end counts, and does not change the state.
  const late = new Set(instances.filter((instance) => instance.late).map(({ id }) => id))
  const inTime = ledgerInstances.filter(({ id }) => !late.has(id))
  if (inTime.length === 0) return contradictionWithout(one)

  const running = ledgerInstances.filter(isRunning).length
  const failed = ledgerInstances.filter(hasFailed).length
  const created = ledgerInstances.length
  if (row.created !== created || row.running !== running || row.failed !== failed) {
    const stored = `${row.created} created, ${row.running} running, ${row.failed} failed`
    return `counts ${stored}; CloudDC has ${created}, ${running}, ${failed}`
  }
  const min = order === null ? row.min : (order.servers?.length ?? order.min)
  const enough = inTime.filter(isRunning).length >= min
  const justified = !enough ? 'failed' : inTime.some(hasFailed) ? 'partially_running' : 'running'
  if (row.state !== justified) return `${row.state}, but ${running} of ${created} run: ${justified}`
  const upstream = new Map(ledgerInstances.map(({ id, state }) => [id, state]))
  for (const { id, state } of instances) {
    const expected = FAILED_UPSTREAM.includes(upstream.get(id) ?? '') ? 'failed' : 'running'
    if (state !== expected) return `instance ${id} is ${state}, but ${upstream.get(id)} in the ledger`
  }
  if (!calls.some((call) => call.instance_ids.length > 0)) return 'has instances, but no call that made them'
  return null
}

const isRunning = ({ state }: LedgerInstance) => state === 'running' || state === 'stopped'
const hasFailed = ({ state }: LedgerInstance) => FAILED_UPSTREAM.includes(state)

/** Whether it ended because servers were not ready: by what was read of them after it was accepted. */
function isForWantOfServers({ row, transitions, readings }: RequestCase): boolean {
  const last = transitions.at(-1)
  const from = row.createdAt.getTime() - CLOCK_SPREAD_MS
  const to = (row.completedAt?.getTime() ?? 0) + CLOCK_SPREAD_MS
  return (
    last?.from === 'queued' &&
    last.cause === 'not_ready' &&
    readings.some(({ at_ms: at }) => at >= from && at <= to)
  )
}

/** The same for a request without instances: it must have been refused, given up, too late or withdrawn. */
function contradictionWithout(one: RequestCase): string | null {
  const { row, calls, transitions, order } = one
  switch (row.state) {
    case 'expired': {
      const deadline = order?.deadline ?? row.deadline
      if (deadline === null) return 'expired, but has no deadline'
      if (row.completedAt !== null && row.completedAt < deadline) return 'expired before its deadline'
      return null
    }
    case 'cancelled':
      return null
    case 'failed': {
      if (row.errorCode === null) return 'failed without a reason'
      if (calls.some(({ status }) => REFUSALS.includes(status ?? 0))) return null
      if (row.errorCode === 'attempts_exhausted' && transitions.some(({ to }) => to === 'uncertain'))
        return null
      if (isForWantOfServers(one)) return null
      return `failed (${row.errorCode}), but CloudDC never refused it`
    }
    default:
      return `${row.state}, but CloudDC created nothing for it`
  }
}
