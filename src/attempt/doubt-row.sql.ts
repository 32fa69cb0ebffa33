/** SQL: a look `l` for a doubt, its request `r` and `clock.ts`, as openDoubtOf reads them. */
export const DOUBT_ROW = `
  r.id::text AS "id",
  l.attempt AS "attempt",
  l.due_at::text AS "fence",
  extract(epoch FROM clock.ts)::float8 * 1000 AS "clockMs",
  l.evidence AS "evidence",
  l.listings_without AS "listingsWithout",
  r.project_id AS "projectId",
  r.request_id AS "requestId",
  r.version AS "version",
  r.attempts AS "attempts",
  r.spec AS "spec",
  r.min_count AS "minCount",
  r.max_count AS "maxCount",
  r.history AS "history",
  octet_length(r.history) AS "historyBytes"`

export interface DoubtRow {
  id: string
  attempt: number
  fence: string
  /** The database's clock, in milliseconds since 1970. */
  clockMs: number
  /** JSON text: what looks have found. */
  evidence: string | null
  listingsWithout: number
  projectId: string
  requestId: string
  version: number
  attempts: number
  /** JSON text. */
  spec: string
  minCount: number
  maxCount: number
  history: string
  historyBytes: number
}
