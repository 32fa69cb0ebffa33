import { gridSeconds, MEMBERS_PER_POLL } from '../attempt/insert-polls.sql.ts'
import {
  AFTER_PROBE,
  credentialLevels,
  lockCredentials,
  READING_OF_CREDENTIAL,
} from '../budget/credential.sql.ts'
import { dealOut } from '../budget/deal-out.sql.ts'
import {
  keptByReading,
  levelOf,
  PROBING,
  paymentOf,
  READ_RESERVE_MS,
  readingGrant,
} from '../budget/pay.sql.ts'
import type { Sql } from '../database/database.ts'
import { DEAL_OUT } from './deal-polls.sql.ts'
import { type MemberLimits, type PollMember, parseMembers } from './poll-member.ts'

/** How a claim pays, from either bucket of its calls. */
const PAYMENT = {
  lateMs: '$11::float8',
  reserveMs: `(${READ_RESERVE_MS} + $11::float8)`,
}

/**
 * Claims polls that are due, and a token of their project's call budget for each call. The members of the rows claimed
 * are dealt out anew to as few calls as they fill, and each call becomes a row of its own, due for its next poll: a
 * replica that dies in between costs one interval, and the new ids fence the recording of the answers.
 *
 * due        the rows whose time has come; those another claim holds are skipped
 * wanted     the calls that they need, by project
 * near       rows that are not full and would leave spare slots of these calls empty: due as well, or within one step of
 *            their grid. Poll times fall on a grid of a fifth of the interval, so that instances created one by one
 *            come due together; from here on these do, and the calls of a large project stay full
 * refilled   what the bucket grants. Readiness spends the same tokens as creating: freely while no work is queued, else
 *            only its own share, which gathers as poll_credit. A share without a token is announced
 *            (poll_wanted_until), and creating leaves one token. After a 429 or a refusal of us a project gets one call
 *            per claim, until an answer has shown that it is served again (probing). A bucket that creating has closed,
 *            because CloudDC was unreachable, only waits: the listing may still succeed
 * afforded   what a project's credential (credential.sql.ts) grants besides, dealt out to its projects in a random order, so
 *            that none is always the last
 * next       the calls, dealt out of the rows as far as tokens go (deal-polls)
 *
 * For `one_row_hint` see claim-requests.
 *
 * $1 most rows, $2 poll intervals in milliseconds by number of polls, $3 ids per call, $4 share (0..1) of the budget, $5
 * milliseconds to postpone by, $6 provisioning time limit in milliseconds, $7 projects to leave out, $8 most calls of one
 * project, $9 most calls, but for the last project's; what is left stays due, $10 most milliseconds to wait for the
 * listing of an instance that runs, $11 milliseconds that all calls of the process are late by, $12 the
 * name of the payments.
 */
const TEXT = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts, clock_timestamp() + make_interval(secs => $5::float8 / 1000) AS later
),
due AS MATERIALIZED (
  SELECT p.id, p.project_id, p.due_at, p.limit_at, p.polls, p.members, cardinality(p.members) AS size
  FROM poll p, clock
  WHERE p.due_at <= clock.ts AND p.project_id <> ALL($7::text[])
  ORDER BY p.due_at
  LIMIT $1::int
  FOR UPDATE OF p SKIP LOCKED
),
wanted AS MATERIALIZED (
  SELECT ranked.project_id, ranked.size, ranked.calls
  FROM (
    SELECT by_project.*, sum(by_project.calls) OVER (ORDER BY by_project.since, by_project.project_id) AS calls_so_far
    FROM (
      SELECT project_id, sum(size)::int AS size, min(due_at) AS since,
        least($8::int, ceil(sum(size) / $3::float8))::int AS calls
      FROM due
      GROUP BY project_id
    ) by_project
  ) ranked
  WHERE ranked.calls_so_far - ranked.calls < $9::int
),
near AS MATERIALIZED (
  SELECT next.id
  FROM wanted w
  CROSS JOIN clock
  CROSS JOIN LATERAL (
    SELECT p.id, sum(cardinality(p.members)) OVER (ORDER BY p.due_at, p.id) - cardinality(p.members) AS start
    FROM poll p
    WHERE p.project_id = w.project_id AND cardinality(p.members) < ${MEMBERS_PER_POLL}
      AND p.due_at <= clock.ts + make_interval(secs => ${gridSeconds('($2::float8[])[cardinality($2::float8[])]')})
      AND p.due_at <= clock.ts
        + make_interval(secs => ${gridSeconds('($2::float8[])[greatest(1, least(p.polls, cardinality($2::float8[])))]')})
      AND p.id NOT IN (SELECT id FROM due)
  ) next
  WHERE w.size < w.calls * $3::int AND next.start < w.calls * $3::int - w.size
),
early AS MATERIALIZED (
  SELECT p.id, p.project_id, p.due_at, p.limit_at, p.polls, p.members, cardinality(p.members) AS size
  FROM near n
  JOIN LATERAL (SELECT n.id OFFSET 0) one_row_hint USING (id)
  JOIN poll p ON p.id = n.id
  FOR UPDATE OF p SKIP LOCKED
),
buckets AS MATERIALIZED (
  SELECT b.*
  FROM rate_bucket b
  JOIN wanted w USING (project_id)
  ORDER BY b.project_id
  FOR UPDATE OF b
),
credentials AS MATERIALIZED (
  ${lockCredentials('buckets')}
),
asked AS MATERIALIZED (
  SELECT b.project_id, b.credential_id, level.*, w.calls, ${PROBING} AS probing, b.troubles,
    ${readingGrant('w.calls')} AS available, random() AS due_at
  FROM buckets b
  JOIN wanted w USING (project_id)
  CROSS JOIN clock
  CROSS JOIN LATERAL ${levelOf('$4::float8')} level
),
levels AS MATERIALIZED (
  ${credentialLevels('$4::float8', READING_OF_CREDENTIAL)}
),
afforded AS MATERIALIZED (
  ${dealOut({
    from: `FROM (SELECT a.*, c.available AS affords FROM asked a JOIN levels c USING (credential_id)) d`,
    slots: 'd.affords',
    pool: 'd.credential_id',
  })}
),
refilled AS MATERIALIZED (
  SELECT a.*, c.probing AS credential_probing, c.tokens AS affords,
    CASE WHEN c.credential_id IS NULL THEN a.available ELSE coalesce(f.n, 0) END AS granted
  FROM asked a
  LEFT JOIN levels c USING (credential_id)
  LEFT JOIN afforded f USING (project_id)
),
paid AS (
  UPDATE rate_bucket b
  SET
    tokens = payment.tokens,
    refilled_at = payment.refilled_at,
    payment = CASE WHEN r.granted > 0 THEN $12::uuid ELSE b.payment END,
    poll_credit = greatest(0, r.poll_credit - r.granted),
    poll_wanted_until = CASE
      WHEN r.granted < r.calls THEN clock.ts + make_interval(secs => 5 * $5::float8 / 1000)
    END
  FROM refilled r
  CROSS JOIN clock
  CROSS JOIN LATERAL ${paymentOf({ r: 'r', n: 'r.granted', kept: keptByReading('r', 'r.affords'), ...PAYMENT })} payment
  WHERE b.project_id = r.project_id
  RETURNING b.project_id, payment.room_ms
),
paid_credentials AS (
  UPDATE credential_bucket c
  SET
    tokens = payment.tokens,
    refilled_at = payment.refilled_at,
    payment = CASE WHEN r.granted > 0 THEN $12::uuid ELSE c.payment END,
    poll_credit = greatest(0, r.poll_credit - r.granted),
    poll_wanted_until = CASE
      WHEN r.granted < r.calls THEN clock.ts + make_interval(secs => 5 * $5::float8 / 1000)
    END,
    due_at = CASE WHEN r.probing AND r.granted > 0 THEN ${AFTER_PROBE} ELSE c.due_at END
  FROM (
    SELECT l.*, taken.*
    FROM levels l
    CROSS JOIN LATERAL (
      SELECT sum(r.granted)::int AS granted, sum(r.calls)::int AS calls FROM refilled r WHERE r.credential_id = l.credential_id
    ) taken
  ) r
  JOIN LATERAL (SELECT r.credential_id OFFSET 0) one_row_hint USING (credential_id)
  CROSS JOIN clock
  CROSS JOIN LATERAL ${paymentOf({ r: 'r', n: 'r.granted', kept: keptByReading('r'), ...PAYMENT })} payment
  WHERE c.credential_id = r.credential_id
  RETURNING c.credential_id, payment.room_ms
),
${DEAL_OUT}
SELECT
  call.*,
  extract(epoch FROM clock.ts)::float8 * 1000 AS "claimedMs",
  extract(epoch FROM (SELECT p.due_at FROM poll p ORDER BY p.due_at LIMIT 1) - clock.ts)::float8 * 1000 AS "nextInMs",
  (SELECT count(*) FROM due) = $1::int
    OR (SELECT count(*) FROM due)
      > (SELECT count(*) FROM found WHERE NOT early AND (short OR start + size <= slots)) AS "more"
FROM clock
LEFT JOIN (
  SELECT
    n.id::text AS "id",
    n.project_id AS "projectId",
    '[' || array_to_string(n.members, ',') || ']' AS "members",
    r.probing AS "probing",
    r.troubles AS "troubles",
    least(p.room_ms, k.room_ms) AS "roomMs",
    r.credential_id AS "credentialId",
    r.credential_probing AS "credentialProbing"
  FROM next n
  JOIN refilled r USING (project_id)
  JOIN paid p USING (project_id)
  LEFT JOIN paid_credentials k USING (credential_id)
  WHERE n.call IS NOT NULL
) call ON true
`

/** Pending instances of one project that a claim has paid one call for. */
export interface ClaimedPoll {
  /** The row's: the fence of its answers. The next claim of these instances gives them another. */
  id: string
  projectId: string
  /** Those that are still pending, as the row holds them: what records an answer keeps them so. */
  members: readonly PollMember[]
  /** The database's clock at the claim, in milliseconds since 1970. */
  claimedMs: number
  /** The project had trouble and sends one call at a time; a good answer ends that. */
  probing: boolean
  /** Consecutive troubles of the project before this claim. */
  troubles: number
  /** How long after the claim the call may be made, in milliseconds (budget/pay.sql.ts). */
  roomMs: number
  /** The credential that has paid: the call may be made with this one only. */
  credentialId: string
  /** Of a credential that may hold calls back, else null: whether the call is its probe. */
  credentialProbing: boolean | null
}

export interface PollClaimParams extends MemberLimits {
  /** Most rows that are looked at. */
  limit: number
  intervalsMs: readonly number[]
  idsPerCall: number
  /** 0..1 */
  share: number
  postponeMs: number
  /** Projects to leave out. */
  exceptProjects: readonly string[]
  /** Most calls of one project. */
  callsPerProject: number
  /** Most calls, but for those of the last project. */
  calls: number
  /** What all calls of the process are late by. */
  lateMs: number
  /** UUID that names the payments. */
  payment: string
}

/**
 * Returns the calls that may be made now, and whether more is due. `nextInMs`: when the first row was due as the claim
 * found them, in milliseconds from now; infinite where there was none.
 */
export async function claimPolls(
  sql: Sql,
  params: PollClaimParams,
): Promise<{ polls: ClaimedPoll[]; more: boolean; nextInMs: number }> {
  type Row = { more: boolean; nextInMs: number | null } & (
    | (Omit<ClaimedPoll, 'members'> & { members: string })
    | { id: null }
  )
  const rows = await sql.query<Row>(
    TEXT,
    params.limit,
    params.intervalsMs,
    params.idsPerCall,
    params.share,
    params.postponeMs,
    params.provisionTimeoutMs,
    params.exceptProjects,
    params.callsPerProject,
    params.calls,
    params.serverWaitMs,
    params.lateMs,
    params.payment,
  )
  const polls = rows.flatMap(({ more: _, nextInMs: __, ...row }) =>
    row.id === null ? [] : [{ ...row, members: parseMembers(row.members) }],
  )
  return { polls, more: rows[0]?.more ?? false, nextInMs: rows[0]?.nextInMs ?? Number.POSITIVE_INFINITY }
}
