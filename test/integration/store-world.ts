import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { v7 as uuidv7 } from 'uuid'
import { settleAttempts } from '../../src/attempt/settle-attempts.sql.ts'
import { settlementOf } from '../../src/attempt/settlement.ts'
import type { CallLimit } from '../../src/budget/token-bucket.ts'
import { requestAccepted } from '../../src/contracts/events.ts'
import type { Database, Sql } from '../../src/database/database.ts'
import { type ClaimResult, claimRequests } from '../../src/dispatch/claim-requests.sql.ts'
import { createRequestStore, type NewRequest } from '../../src/intake/request-store.ts'
import { SPEC } from '../support/reconcile-world.ts'

export const REPLICA = '0198170e-4ca7-7ee4-89a7-fa6318431111'
export const SHARE = 0.02

/** A request as intake hands it to the store. */
export function buildNewRequest(changes: Partial<NewRequest> = {}): NewRequest {
  const id = uuidv7()
  const subject = {
    projectId: changes.projectId ?? 'p',
    requestId: changes.requestId ?? `order-${id}`,
    correlationId: null,
    traceparent: null,
    tracestate: null,
  }
  return {
    ...subject,
    id,
    contentDigest: randomBytes(32),
    passwordDigest: `k:${randomBytes(8).toString('base64')}`,
    spec: { ...SPEC, min_count: 1, max_count: 1 },
    sealedPassword: Buffer.from('sealed'),
    priority: 0,
    minCount: 1,
    maxCount: 1,
    deadline: null,
    acceptedEvent: requestAccepted(subject, { state: 'queued' }),
    ...changes,
  }
}

/** Stores this many requests of a project; returns their row ids in order of age. */
export async function placeRequests(
  database: Database,
  {
    projectId = 'p',
    count = 1,
    limit = { perSecond: 10, burst: 20 },
    ...changes
  }: { count?: number; limit?: CallLimit } & Partial<NewRequest> = {},
): Promise<string[]> {
  const rows = Array.from({ length: count }, () => buildNewRequest({ projectId, ...changes }))
  await createRequestStore({ database, limitOf: () => limit }).insertRequests(rows)
  return rows.map((row) => row.id)
}

/** Claims for this replica with so many free slots. */
export function claim(
  sql: Sql,
  { slots = 10, replicaId = REPLICA, probeMs = 60_000 } = {},
): Promise<ClaimResult> {
  const attemptIds = Array.from({ length: slots }, () => uuidv7())
  return claimRequests(sql, { replicaId, attemptIds, maxProjects: 100, probeMs, readinessShare: SHARE })
}

/** Sets columns of a project's bucket; values are SQL. */
export async function setBucket(
  sql: Sql,
  projectId: string,
  columns: Readonly<Record<string, string>>,
): Promise<void> {
  const list = Object.entries(columns).map(([column, value]) => `${column} = ${value}`)
  await sql.query(`UPDATE rate_bucket SET ${list.join(', ')} WHERE project_id = $1`, projectId)
}

/** A request of a project with this many pending instances, all due. Returns its row id. */
export async function placePending(
  database: Database,
  { count = 1, projectId = 'p', ids }: { count?: number; projectId?: string; ids?: readonly string[] },
): Promise<string> {
  const instanceIds = ids ?? Array.from({ length: count }, () => `i-${uuidv7()}`)
  const [id = ''] = await placeRequests(database, { projectId, minCount: 1, maxCount: instanceIds.length })
  await setBucket(database, projectId, { tokens: 'capacity', due_at: 'now()' })
  const { requests } = await claim(database)
  const rows = requests.map((request) =>
    settlementOf(
      { ...request, replicaId: REPLICA, from: 'in_flight', instanceName: 'web' },
      { class: 'created', instanceIds: [...instanceIds], httpStatus: 202 },
      { firstLookMs: 100, settleMs: 60_000 },
    ),
  )
  await settleAttempts(database, rows, 1000)
  await makePollsDue(database)
  await setBucket(database, projectId, { tokens: 'capacity', refilled_at: 'now()', due_at: 'NULL' })
  return id
}

export async function makePollsDue(sql: Sql): Promise<void> {
  await sql.query(
    `UPDATE instance SET next_poll_at = now() - interval '1 second' WHERE next_poll_at IS NOT NULL`,
  )
}

export interface BucketRow {
  tokens: number
  /** Seconds since a day before now, on the database's clock, to the microsecond. */
  refilledAt: number
  dueAt: number | null
  capacity: number
  refillPerSecond: number
  pollCredit: number
  troubles: number
  blockedReason: string | null
}

const EPOCH = `date_trunc('day', now())`

export async function readBucket(sql: Sql, projectId = 'p'): Promise<BucketRow> {
  const [row] = await sql.query<BucketRow>(
    `SELECT tokens, extract(epoch FROM refilled_at - ${EPOCH})::float8 AS "refilledAt",
       extract(epoch FROM due_at - ${EPOCH})::float8 AS "dueAt", capacity,
       refill_per_second AS "refillPerSecond", poll_credit AS "pollCredit", troubles,
       blocked_reason AS "blockedReason"
     FROM rate_bucket WHERE project_id = $1`,
    projectId,
  )
  if (row === undefined) throw new Error(`project ${projectId} has no bucket`)
  return row
}

/** One connection of its own, so that a test decides what is open at the same time. */
export async function openConnection(url: string): Promise<Sql & { close(): Promise<void> }> {
  const client = new pg.Client({ connectionString: url, options: '-c TimeZone=UTC' })
  await client.connect()
  return {
    query: async <Row>(text: string, ...values: unknown[]) =>
      (await client.query(text, values)).rows as Row[],
    close: () => client.end(),
  }
}
