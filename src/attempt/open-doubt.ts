import type { ProvisionSpec } from '../contracts/spec.ts'
import { type HistoryEntry, parseHistory } from '../request/history.ts'
import type { DoubtRow } from './doubt-row.sql.ts'
import { membersOf } from './look-evidence.ts'
import { attemptKey, type StoredSpec } from './marker.ts'
import type { OpenAttempt } from './settlement.ts'

/** An attempt of unknown outcome, as a look for its instances needs it. */
export interface OpenDoubt extends OpenAttempt {
  from: 'uncertain'
  claimId: null
  /** The attempt among all others (attemptKey). */
  key: string
  projectId: string
  requestId: string
  /** That of the claim that this look was made for: the look's due time as text. */
  fence: string
  /** Milliseconds from the outcome becoming unknown to the claim. */
  ageMs: number
  startedAt: Date
  uncertainAt: Date
  /** What the call's answer said, null where none came. */
  httpStatus: number | null
  errorCode: string | null
  /** Instances that its answer named although it could not be relied on. */
  named: readonly string[]
  /** What made it uncertain, and what earlier looks have found. */
  evidence: Record<string, unknown>
  /** Complete listings so far that did not show it. */
  listingsWithout: number
  /** Attempts of the request that may have reached CloudDC, this one included. */
  attempts: number
  spec: StoredSpec
}

/**
 * The doubt that a row and the last entries of its history tell of: pure. A history is parted only when its request goes
 * back into the queue, so the row's own text holds all of the present attempt.
 */
export function openDoubtOf(row: DoubtRow): OpenDoubt {
  const { id, attempt, projectId, requestId, fence, minCount, maxCount, attempts, listingsWithout } = row
  const entries = parseHistory([row.history])
  const begun = lastTo('dispatching', entries)
  const doubted = lastTo('uncertain', entries)
  if (begun === undefined || doubted === undefined)
    throw new Error(`the history of request ${id} lacks its present attempt`)
  const reason = membersOf(doubted.evidence)
  const spec: ProvisionSpec = JSON.parse(row.spec)
  return {
    ...{ id, attempt, from: 'uncertain', claimId: null, minCount, maxCount, instanceName: spec.name },
    seen: { version: row.version, historyBytes: row.historyBytes },
    ...{ key: attemptKey({ provisionRequestId: id, attempt }), projectId, requestId, fence, attempts, spec },
    ageMs: row.clockMs - doubted.at,
    startedAt: new Date(begun.at),
    uncertainAt: new Date(doubted.at),
    httpStatus: typeof reason.http_status === 'number' ? reason.http_status : null,
    errorCode: typeof reason.error_code === 'string' ? reason.error_code : null,
    named: Array.isArray(reason.named) ? reason.named.filter((one) => typeof one === 'string') : [],
    evidence: { ...reason, ...membersOf(row.evidence === null ? null : JSON.parse(row.evidence)) },
    listingsWithout,
  }
}

function lastTo(state: 'dispatching' | 'uncertain', entries: readonly HistoryEntry[]) {
  return entries.findLast(({ to }) => to === state)
}
