import { DOUBT_ROW, type DoubtRow } from '../attempt/doubt-row.sql.ts'
import { type OpenDoubt, openDoubtOf } from '../attempt/open-doubt.ts'
import type { ThroughPrisma } from '../database/database.ts'

/**
 * One page of the attempts of unknown outcome, in the order in which their requests were accepted. All of them are read
 * from their partial index: there are as many as calls without an answer.
 *
 * $1 only requests with a higher id, $2 most rows.
 */
const TEXT = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
),
open AS MATERIALIZED (
  SELECT l.* FROM look l WHERE l.purpose = 'doubt'
),
page AS MATERIALIZED (
  SELECT open.*
  FROM open
  WHERE open.provision_request_id > $1::uuid
  ORDER BY open.provision_request_id
  LIMIT $2::int
)
SELECT ${DOUBT_ROW},
  l.due_at AS "dueAt",
  (SELECT count(*) FROM open)::int AS "total"
FROM page l
CROSS JOIN clock
JOIN LATERAL (SELECT l.provision_request_id AS id OFFSET 0) one_row_hint ON one_row_hint.id = l.provision_request_id
JOIN provision_request r ON r.id = l.provision_request_id
WHERE r.state = 'uncertain' AND r.attempt_number = l.attempt
ORDER BY r.id
`

export interface UncertainAttempt {
  doubt: OpenDoubt
  /** The next look for its instances. */
  dueAt: Date
}

export async function findUncertain(
  { throughPrisma }: ThroughPrisma,
  { after, limit }: { after: string; limit: number },
): Promise<{ attempts: UncertainAttempt[]; total: number }> {
  const rows = await throughPrisma.query<DoubtRow & { dueAt: Date; total: number }>(TEXT, after, limit)
  const attempts = rows.map((row) => ({ doubt: openDoubtOf(row), dueAt: row.dueAt }))
  return { attempts, total: rows[0]?.total ?? 0 }
}
