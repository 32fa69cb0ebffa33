import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { v7 as uuidv7 } from 'uuid'
import type { Outcome } from '../../src/attempt/outcome.ts'
import { type SettleRow, settleAttempts } from '../../src/attempt/settle-attempts.sql.ts'
import { type OpenAttempt, settlementOf } from '../../src/attempt/settlement.ts'
import type { CallLimit } from '../../src/budget/token-bucket.ts'
import type { Database, Sql } from '../../src/database/database.ts'
import {
  type ClaimedRequest,
  type ClaimResult,
  claimRequests,
} from '../../src/dispatch/claim-requests.sql.ts'
import type { NewRequest } from '../../src/intake/new-request.ts'
import { createRequestStore } from '../../src/intake/request-store.ts'

export const REPLICA = '0198170e-4ca7-7ee4-89a7-fa6318431111'
export const SHARE = 0.02
export const LOOK_TIMES = { firstLookMs: 100, settleMs: 60_000 }
export const POLL_TIMES = { firstPollMs: 1000, provisionTimeoutMs: 3_600_000 }

export const UNKNOWN: Outcome = {
  class: 'unknown',
  reason: 'timeout',
  code: 'UND_ERR_HEADERS_TIMEOUT',
  message: 'no answer',
  httpStatus: null,
}
export const notCreated = (reason: 'refused' | 'throttled'): Outcome => ({
  class: 'not_created',
  reason,
  code: 'iMetal.0001',
  message: 'no',
  httpStatus: 400,
  retryAfterMs: null,
})

/** A request as intake hands it to the store. */
export function buildNewRequest(changes: Partial<NewRequest> = {}): NewRequest {
  const id = uuidv7()
  return {
    id,
    projectId: 'p',
    requestId: `order-${id}`,
    contentDigest: randomBytes(32),
    passwordDigest: `k:${randomBytes(8).toString('base64')}`,
    spec: {
      name: 'web',
      image_id: 'image',
      vpc_id: 'vpc',
      network_interfaces: [{ subnet_id: 'subnet' }],
      min_count: 1,
      max_count: 1,
    },
    sealedPassword: Buffer.from('sealed'),
    passwordTrace: 'k:0abcd',
    priority: 0,
    minCount: 1,
    maxCount: 1,
    deadline: null,
    waitsForReady: false,
    held: false,
    correlationId: null,
    traceparent: null,
    tracestate: null,
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
export async function claim(
  sql: Sql,
  {
    slots = 10,
    replicaId = REPLICA,
    claimId = uuidv7(),
    probeMs = 60_000,
    lateMs = 0,
    preflight = false,
  } = {},
): Promise<ClaimResult & { claimId: string }> {
  const times = { probeMs, readinessShare: SHARE, lateMs }
  const result = await claimRequests(sql, {
    replicaId,
    claimId,
    slots,
    maxProjects: 100,
    preflight,
    ...times,
  })
  return { ...result, claimId }
}

/** The present attempt of a request that was claimed. */
export function attemptOf(
  request: ClaimedRequest,
  claimId: string,
  changes: Partial<OpenAttempt> = {},
): OpenAttempt {
  return {
    id: request.id,
    attempt: request.attempt,
    from: 'dispatching',
    claimId,
    minCount: request.minCount,
    maxCount: request.maxCount,
    instanceName: 'web',
    seen: { version: request.version, historyBytes: request.historyBytes },
    ...changes,
  }
}

export type Claimed = ClaimedRequest & { claimId: string }

/** The next request of a project `p`, claimed with all tokens that its bucket holds. */
export async function claimNext(sql: Sql): Promise<Claimed> {
  await setBucket(sql, 'p', { tokens: 'capacity', due_at: 'now()' })
  const { requests, claimId } = await claim(sql)
  const [request] = requests
  if (request === undefined) throw new Error('nothing was claimed')
  return { ...request, claimId }
}

/** The record of its outcome. */
export function settlementFor(
  claimed: Claimed,
  outcome: Outcome,
  changes: Partial<OpenAttempt> = {},
): SettleRow {
  return settlementOf(attemptOf(claimed, claimed.claimId, changes), outcome, LOOK_TIMES)
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
  const { requests, claimId } = await claim(database)
  const outcome = { class: 'created' as const, instanceIds: [...instanceIds], httpStatus: 202 }
  const rows = requests.map((request) => settlementFor({ ...request, claimId }, outcome))
  await settleAttempts(database, rows, POLL_TIMES, [claimId])
  await makePollsDue(database)
  await setBucket(database, projectId, { tokens: 'capacity', refilled_at: 'now()', due_at: 'NULL' })
  return id
}

export async function makePollsDue(sql: Sql): Promise<void> {
  await sql.query(`UPDATE poll SET due_at = now() - interval '1 second'`)
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
