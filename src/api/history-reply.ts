import type { HistoryEntry as Shown } from '../contracts/history.ts'
import { type HistoryEntry, parseHistory } from '../request/history.ts'
import type { RequestState } from '../request/provision-request.ts'
import type { LookRow, StoredHistory } from './read-history.sql.ts'

type Attempt = Extract<Shown, { kind: 'attempt' }>

/**
 * A request's history as the API shows it: its transitions in their order, each attempt right after the transition that
 * made it. An entry that left the state as it was is a transition from that state to itself. Pure.
 *
 * At most `maxChanges` of the newest changes are shown. Where older ones are missing, a change whose state before is not
 * known is left out, and so is an attempt whose beginning is.
 */
export function historyOf(
  { id, parts, truncated, looks }: StoredHistory,
  maxChanges: number,
): { history: Shown[]; truncated: boolean } {
  const entries = parseHistory(parts)
  const changes = changesOf(entries, truncated)
  const shown = changes.slice(-maxChanges)
  const attempts = new Map<number, Attempt>()
  const history: Shown[] = []
  for (const { entry, from, to } of shown) {
    history.push(transition(entry, from, to))
    if (entry.attempt === undefined) continue
    if (entry.cause === 'claimed') {
      const begun = attempt(entry, `${id}.${entry.attempt}`)
      attempts.set(entry.attempt, begun)
      history.push(begun)
    }
    const known = attempts.get(entry.attempt)
    if (known !== undefined) note(known, entry)
  }
  for (const look of looks) {
    const open = attempts.get(look.attempt)
    if (open?.state === 'uncertain') addLooks(open, look)
  }
  return { history, truncated: truncated || shown.length < changes.length }
}

interface ShownChange {
  entry: HistoryEntry
  from: RequestState | null
  to: RequestState
}

function changesOf(entries: readonly HistoryEntry[], truncated: boolean): ShownChange[] {
  const changes: ShownChange[] = []
  let state: RequestState | null = null
  for (const entry of entries) {
    const to: RequestState | null = entry.to ?? state
    if (to !== null && (state !== null || !truncated)) changes.push({ entry, from: state, to })
    state = to
  }
  return changes
}

function transition(entry: HistoryEntry, from: RequestState | null, to: RequestState): Shown {
  return {
    kind: 'transition',
    time: new Date(entry.at),
    cause: entry.cause,
    evidence: asRecord(entry.evidence),
    from,
    to,
    attempt: entry.attempt ?? null,
  }
}

function attempt(entry: HistoryEntry, attemptId: string): Attempt {
  return {
    kind: 'attempt',
    time: new Date(entry.at),
    cause: 'claimed',
    evidence: null,
    attempt: entry.attempt ?? 0,
    attempt_id: attemptId,
    state: 'in_flight',
    upstream_request_id: null,
    finished_at: null,
    reconcile_at: null,
  }
}

/** What a later change says of an attempt: its outcome, or more of what was found about it. */
function note(known: Attempt, { at, outcome, evidence, upstreamRequestId }: HistoryEntry): void {
  known.evidence = merged(known.evidence, asRecord(evidence))
  known.upstream_request_id = upstreamRequestId ?? known.upstream_request_id
  if (outcome === undefined) return
  known.state = outcome
  known.finished_at = outcome === 'uncertain' ? null : new Date(at)
}

function addLooks(open: Attempt, { dueAtMs, listingsWithout, evidence }: LookRow): void {
  const found = evidence === null ? null : asRecord(JSON.parse(evidence))
  const absent = listingsWithout === 0 ? null : { listings_without: listingsWithout }
  open.evidence = merged(open.evidence, merged(absent, found))
  open.reconcile_at = new Date(dueAtMs)
}

/** The later one wins; what it does not know stays. */
function merged(
  earlier: Record<string, unknown> | null,
  later: Record<string, unknown> | null,
): Record<string, unknown> | null {
  const known = Object.entries({ ...earlier, ...later }).filter(([, value]) => value !== null)
  return known.length === 0 ? null : Object.fromEntries(known)
}

function asRecord(value: unknown): Record<string, unknown> | null {
  if (value === null || value === undefined) return null
  return typeof value === 'object' && !Array.isArray(value) ? (value as Record<string, unknown>) : { value }
}
