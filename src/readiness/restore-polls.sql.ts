import { MEMBERS_PER_POLL, memberOf } from '../attempt/insert-polls.sql.ts'
import type { ThroughPrisma } from '../database/database.ts'

/**
 * Polls for pending instances of these requests that are in none: due at once, as if their limit were over, so that the
 * claim makes it anew. An instance that comes to be in two polls for a while is asked for twice and recorded once.
 *
 * $1 ids of requests.
 */
const TEXT = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
),
owners AS MATERIALIZED (
  SELECT r.project_id, r.instance_ids
  FROM provision_request r
  WHERE r.id = ANY($1::uuid[])
),
lost AS MATERIALIZED (
  SELECT n.*, row_number() OVER (PARTITION BY n.project_id ORDER BY n.created_at, n.id) - 1 AS place
  FROM owners o
  CROSS JOIN LATERAL unnest(o.instance_ids) AS own(id)
  JOIN LATERAL (SELECT own.id OFFSET 0) one_row_hint USING (id)
  JOIN instance n ON n.project_id = o.project_id AND n.id = own.id
  WHERE n.state = 'pending'
    AND (n.project_id, n.id) NOT IN (
      SELECT p.project_id, m.member::json->>0
      FROM poll p
      CROSS JOIN LATERAL unnest(p.members) AS m(member)
      WHERE p.project_id IN (SELECT project_id FROM owners)
    )
),
restored AS (
  INSERT INTO poll (id, project_id, due_at, limit_at, members)
  SELECT gen_random_uuid(), l.project_id, clock.ts, clock.ts, array_agg(
    ${memberOf({ id: 'l.id', createdAt: 'l.created_at', ranAt: 'l.running_at' })} ORDER BY l.place
  )
  FROM lost l
  CROSS JOIN clock
  GROUP BY l.project_id, l.place / ${MEMBERS_PER_POLL}, clock.ts
)
SELECT count(*)::int AS "restored"
FROM lost
`

/** Returns how many instances were in no poll. */
export async function restorePolls(
  { throughPrisma }: ThroughPrisma,
  requestIds: readonly string[],
): Promise<number> {
  const [row] = await throughPrisma.query<{ restored: number }>(TEXT, requestIds)
  return row?.restored ?? 0
}
