import { BLOCKED_REASONS, waitingFor } from '../request/waiting.ts'
import { MOST_LISTED } from './overview-bounds.ts'
import type { Overview } from './overview-reply.ts'
import type { OpenKind } from './read-waiting.sql.ts'

const CLOSING = [...BLOCKED_REASONS, 'paused'] as const

type WaitingRow = Overview['waiting']['rows'][number]
type WaitingTotal = Overview['waiting']['by_reason'][number]
type OpenCounts = Pick<Overview['open'], 'queued' | 'dispatching' | 'uncertain' | 'provisioning' | 'capped'>

/** How many requests are open, by state. Pure. */
export function openOf(kinds: readonly OpenKind[]): OpenCounts {
  const counts = { queued: 0, dispatching: 0, uncertain: 0, provisioning: 0 }
  for (const { state, count } of kinds) counts[state] += count
  return { ...counts, capped: kinds.some(({ capped }) => capped) }
}

/** Who waits for what, and since when: one row for each project and reason, and totals by reason. Pure. */
export function waitingOf(kinds: readonly OpenKind[]): Overview['waiting'] {
  const waiting = kinds.flatMap(rowOf)
  const rows = [...Map.groupBy(waiting, ({ project_id, reason }) => `${reason} ${project_id}`).values()].map(
    joined,
  )
  const totals = [...Map.groupBy(rows, ({ reason }) => reason).values()].map(totalOf)
  return {
    by_reason: totals.toSorted((a, b) => b.count - a.count || a.reason.localeCompare(b.reason)),
    rows: rows.toSorted(byTrouble).slice(0, MOST_LISTED),
    total: rows.length,
  }
}

/** None where they wait for nothing but an answer. */
function rowOf(open: OpenKind): WaitingRow[] {
  const { projectId, state, kind, count, capped, oldestAt, oldestId, now } = open
  const held = kind === 'held' || kind === 'capacity'
  const pause = open.pauseDetail === null ? null : { until: open.pausedUntil, detail: open.pauseDetail }
  const waiting = waitingFor({ ...open, state, held, bucket: open, pause, now })
  if (waiting === null) return []
  const { reason, until, detail } = waiting
  return [
    {
      project_id: projectId,
      reason,
      count,
      capped,
      oldest: { request_id: oldestId, created_at: oldestAt },
      until: until !== null && until > now ? until : null,
      detail,
    },
  ]
}

/** Requests of one project that wait for the same, although for several reasons of their own. */
function joined(rows: readonly WaitingRow[]): WaitingRow {
  return rows.reduce((one, other) => ({
    project_id: one.project_id,
    reason: one.reason,
    capped: one.capped,
    count: one.count + other.count,
    oldest: other.oldest.created_at < one.oldest.created_at ? other.oldest : one.oldest,
    until: earlier(one.until, other.until),
    detail: one.detail ?? other.detail,
  }))
}

/** Null is at once, or unknown for all of them. */
function earlier(a: Date | null, b: Date | null): Date | null {
  if (a === null || b === null) return null
  return a < b ? a : b
}

function totalOf(rows: readonly WaitingRow[]): WaitingTotal {
  const [first] = rows
  if (first === undefined) throw new Error('no rows make no total')
  return {
    reason: first.reason,
    count: rows.reduce((sum, { count }) => sum + count, 0),
    projects: rows.length,
    oldest_at: new Date(Math.min(...rows.map(({ oldest }) => oldest.created_at.getTime()))),
  }
}

/** Closed and paused ones first, then those that wait for longest. */
function byTrouble(a: WaitingRow, b: WaitingRow): number {
  const isClosed = ({ reason }: WaitingRow) => CLOSING.some((closed) => closed === reason)
  return (
    Number(isClosed(b)) - Number(isClosed(a)) ||
    a.oldest.created_at.getTime() - b.oldest.created_at.getTime() ||
    a.project_id.localeCompare(b.project_id)
  )
}
