import { v7 as uuidv7 } from 'uuid'
import type { Sql } from '../../src/database/database.ts'
import { type ClaimedPoll, claimPolls, type PollClaimParams } from '../../src/readiness/claim-polls.sql.ts'
import { type PollMember, parseMembers } from '../../src/readiness/poll-member.ts'
import { pollIntervals } from '../../src/readiness/poll-schedule.ts'

const POLL = { minMs: 1000, maxMs: 3000 }
/** A step of its grid is two minutes, longer than any test takes. */
export const SLOW_POLL = { minMs: 600_000, maxMs: 600_000 }

/** Claims what is due, with limits that bound nothing but what the test says. */
export function claimDue(
  sql: Sql,
  { poll = POLL, ...params }: Partial<PollClaimParams> & { poll?: typeof POLL } = {},
): Promise<{ polls: ClaimedPoll[]; more: boolean }> {
  return claimPolls(sql, {
    limit: 2000,
    intervalsMs: pollIntervals(poll),
    idsPerCall: 100,
    share: 0.1,
    postponeMs: 500,
    provisionTimeoutMs: 3_600_000,
    serverWaitMs: 60_000,
    exceptProjects: [],
    callsPerProject: 1000,
    calls: 1000,
    lateMs: 0,
    payment: uuidv7(),
    ...params,
  })
}

export const idsOf = (polls: readonly ClaimedPoll[]): string[] =>
  polls.flatMap(({ members }) => members.map(({ id }) => id))

export interface StoredPoll {
  id: string
  projectId: string
  /** Milliseconds since 1970. */
  dueMs: number
  limitMs: number
  polls: number
  members: PollMember[]
}

/** All polls, in the order in which they are due. */
export async function readPolls(sql: Sql): Promise<StoredPoll[]> {
  const rows = await sql.query<Omit<StoredPoll, 'members'> & { members: string[] }>(
    `SELECT id::text, project_id AS "projectId", extract(epoch FROM due_at)::float8 * 1000 AS "dueMs",
       extract(epoch FROM limit_at)::float8 * 1000 AS "limitMs", polls, members
     FROM poll ORDER BY due_at, id`,
  )
  return rows.map((row) => ({ ...row, members: parseMembers(`[${row.members.join()}]`) }))
}

/** Cuts each poll into polls of so many members, with the same times. */
export async function cutPolls(sql: Sql, size: number): Promise<void> {
  await sql.query(
    `WITH whole AS (DELETE FROM poll RETURNING *)
     INSERT INTO poll (id, project_id, due_at, limit_at, polls, members)
     SELECT gen_random_uuid(), w.project_id, w.due_at, w.limit_at, w.polls, array_agg(m.member)
     FROM whole w CROSS JOIN LATERAL unnest(w.members) WITH ORDINALITY AS m(member, place)
     GROUP BY w.id, w.project_id, w.due_at, w.limit_at, w.polls, (m.place - 1) / $1::int`,
    size,
  )
}

/** The database's clock, in milliseconds since 1970. */
export async function readClock(sql: Sql): Promise<number> {
  const [row] = await sql.query<{ ms: number }>(
    'SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS ms',
  )
  return row?.ms ?? Number.NaN
}
