import type { ThroughPrisma } from '../database/database.ts'

/**
 * A request's history, its newest parts, and the looks that its attempts wait for. One statement, and so one snapshot.
 *
 * $1 project, $2 request, $3 most parts.
 */
const TEXT = `
SELECT
  r.id::text AS "id",
  r.history AS "history",
  ARRAY(
    SELECT p.history
    FROM history_part p
    WHERE p.provision_request_id = r.id
    ORDER BY p.version DESC
    LIMIT $3::int
  ) AS "newestParts",
  (
    SELECT json_agg(
      json_build_object(
        'attempt', l.attempt, 'dueAtMs', extract(epoch FROM l.due_at) * 1000, 'listingsWithout', l.listings_without,
        'evidence', l.evidence
      )
    )
    FROM look l
    WHERE l.provision_request_id = r.id
  ) AS "looks"
FROM provision_request r
WHERE r.project_id = $1 AND r.request_id = $2
`

/** The look that an attempt waits for, and what those before it have found. */
export interface LookRow {
  attempt: number
  /** Milliseconds since 1970. */
  dueAtMs: number
  listingsWithout: number
  /** JSON. */
  evidence: string | null
}

export interface StoredHistory {
  /** The request's row. */
  id: string
  /** Oldest first; the row's own text is the last one. */
  parts: string[]
  /** Whether there are older parts. */
  truncated: boolean
  looks: LookRow[]
}

/** Returns at most `maxParts` parts besides the row's own text; null for an unknown request. */
export async function readHistory(
  { throughPrisma }: ThroughPrisma,
  { projectId, requestId, maxParts }: { projectId: string; requestId: string; maxParts: number },
): Promise<StoredHistory | null> {
  const [row] = await throughPrisma.query<{
    id: string
    history: string
    newestParts: string[]
    looks: LookRow[] | null
  }>(TEXT, projectId, requestId, maxParts + 1)
  if (row === undefined) return null
  const { id, history, newestParts, looks } = row
  return {
    id,
    parts: [...newestParts.slice(0, maxParts).reverse(), history],
    truncated: newestParts.length > maxParts,
    looks: looks ?? [],
  }
}
