import { waitOfCredential } from './credential.sql.ts'
import { pauseOf } from './pause.sql.ts'

/** What a request waits for as far as its project is concerned, for `waitingFor` (request/waiting.ts), in SQL. */

/** By the joins of `withWait`; all null but of a queued request. */
export const WAIT_COLUMNS = `greatest(b.blocked_until, c.blocked_until) AS "blockedUntil",
  coalesce(c.blocked_reason, b.blocked_reason) AS "blockedReason",
  greatest(b.due_at, c.due_at) AS "dueAt",
  b.preflight_at AS "preflightAt",
  p.detail AS "pauseDetail",
  p.until AS "pausedUntil"`

/** The bucket of row `r` (`project_id`, `state`), its credential's and the pause of its project, while it is queued. */
export const withWait = (r: string): string => `LEFT JOIN LATERAL (
  SELECT one.* FROM rate_bucket one WHERE ${r}.state = 'queued' AND one.project_id = ${r}.project_id OFFSET 0
) b ON true
LEFT JOIN LATERAL ${waitOfCredential('b')} c ON true
LEFT JOIN LATERAL ${pauseOf(`${r}.project_id`, `${r}.state = 'queued'`)} p ON true`

/** Of the project's bucket and its credential's, and of the project's pause, while the request is queued. */
export interface WaitColumns {
  blockedUntil: Date | null
  blockedReason: string | null
  dueAt: Date | null
  /** The next reading of the project's servers. */
  preflightAt: Date | null
  /** Null without a pause. */
  pauseDetail: string | null
  pausedUntil: Date | null
}
