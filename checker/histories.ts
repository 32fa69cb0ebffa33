import type { AttemptRow, TransitionRow } from './evidence.ts'

/** A request's history as it is stored: one JSON object per line. */
export interface StoredHistory {
  /** The request's row. */
  id: string
  lines: string
}

interface Entry {
  v: number
  to?: string
  cause: string
  attempt?: number
  outcome?: string
}

/** An attempt among all others, as markers name it. */
export const attemptId = (requestRow: string, attempt: number): string => `${requestRow}.${attempt}`

/** What the histories tell: every change, and every attempt with its present outcome. */
export function readHistories(histories: readonly StoredHistory[]): {
  transitions: TransitionRow[]
  attempts: AttemptRow[]
} {
  const transitions: TransitionRow[] = []
  const attempts = new Map<string, AttemptRow>()
  for (const { id: provisionRequestId, lines } of histories) {
    let state: string | null = null
    for (const { v: version, to, cause, attempt, outcome } of entriesOf(lines)) {
      const id = attempt === undefined ? null : attemptId(provisionRequestId, attempt)
      // A change that only notes something leaves the state as it is.
      const next: string = to ?? state ?? ''
      transitions.push({ provisionRequestId, version, from: state, to: next, cause, attemptId: id })
      state = next
      if (id === null || attempt === undefined) continue
      const known = attempts.get(id) ?? { id, provisionRequestId, number: attempt, state: 'in_flight' }
      attempts.set(id, { ...known, state: outcome ?? known.state })
    }
  }
  return { transitions, attempts: [...attempts.values()] }
}

function entriesOf(lines: string): Entry[] {
  return lines.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Entry]))
}
