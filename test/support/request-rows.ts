import { v7 as uuidv7 } from 'uuid'
import type { Sql } from '../../src/database/database.ts'
import type { RequestState } from '../../src/request/provision-request.ts'

export interface RequestRowOptions {
  id?: string
  projectId?: string
  requestId?: string
  state?: RequestState
  /** Queued: waits for this time instead of standing in the queue. */
  retryAt?: Date
  attempts?: number
  error?: { code: string; message: string }
  instances?: { id: string; state: 'pending' | 'running' | 'failed' }[]
}

const TERMINAL: readonly RequestState[] = ['running', 'partially_running', 'failed', 'expired', 'cancelled']
const DISPATCHED: readonly RequestState[] = ['provisioning', 'running', 'partially_running']
const SEALED: readonly RequestState[] = ['queued', 'dispatching', 'uncertain']

/** Where the passwords of all rows could leak from. */
export const SEALED_CANARY = 'Canary-Passw0rd!'

/** Stores a request as it stands in the given state, with what the checks of the table ask for. Returns its id. */
export async function insertRequestRow(sql: Sql, options: RequestRowOptions = {}): Promise<string> {
  const { id = uuidv7(), projectId = 'p', state = 'queued', retryAt = null, attempts = 0, error } = options
  const { requestId = `order-${id}`, instances = [] } = options
  const of = (wanted: string) => instances.filter((instance) => instance.state === wanted).length
  const completed = TERMINAL.includes(state)
  await sql.query(
    `INSERT INTO provision_request (
       id, project_id, request_id, content_digest, password_digest, spec, sealed_password, state, priority,
       min_count, max_count, queue_rank, retry_at, attempts, created_count, running_count, failed_count,
       error_code, error_message, error_at, created_at, updated_at, dispatched_at, completed_at, exception_state
     ) VALUES (
       $1::uuid, $2, $3, '\\x00', $4, json_build_object('name', $4::text)::jsonb, $5::bytea, $6::request_state, 0,
       1, greatest($7::int, 1), CASE WHEN $8::boolean THEN now() END, $9::timestamptz, $10::int, $7::int, $11::int,
       $12::int, $13::text, $14::text, CASE WHEN $13::text IS NOT NULL THEN now() END, now(), now(),
       CASE WHEN $15::boolean THEN now() END, CASE WHEN $16::boolean THEN now() END,
       CASE WHEN $16::boolean AND $6 <> 'running' THEN $6::request_state END
     )`,
    id,
    projectId,
    requestId,
    SEALED_CANARY,
    SEALED.includes(state) ? Buffer.from(SEALED_CANARY) : null,
    state,
    instances.length,
    state === 'queued' && retryAt === null,
    retryAt,
    attempts,
    of('running'),
    of('failed'),
    error?.code ?? null,
    error?.message ?? null,
    instances.length > 0 || DISPATCHED.includes(state),
    completed,
  )
  const attemptId = instances.length > 0 ? await insertAttemptRow(sql, { requestRow: id, projectId }) : null
  for (const instance of instances) {
    await sql.query(
      `INSERT INTO instance (
         project_id, id, provision_request_id, attempt_id, name, state, upstream_state, created_at, running_at,
         failed_at, next_poll_at, error_code, error_message
       ) VALUES (
         $1, $2, $3::uuid, $4::uuid, 'web', $5::instance_state, upper($5::text), now(),
         CASE WHEN $5 = 'running' THEN now() END, CASE WHEN $5 = 'failed' THEN now() END,
         CASE WHEN $5 = 'pending' THEN now() END, CASE WHEN $5 = 'failed' THEN 'boot_failed' END,
         CASE WHEN $5 = 'failed' THEN 'it did not boot' END
       )`,
      projectId,
      instance.id,
      id,
      attemptId,
      instance.state,
    )
  }
  return id
}

export interface AttemptRowOptions {
  requestRow: string
  projectId?: string
  number?: number
  state?: 'created' | 'not_created' | 'uncertain' | 'void'
  startedAt?: Date
  reconcileAt?: Date
  httpStatus?: number
  errorCode?: string
  upstreamRequestId?: string
  evidence?: unknown
}

/** Stores an attempt, finished unless it is uncertain. Returns its id. */
export async function insertAttemptRow(sql: Sql, options: AttemptRowOptions): Promise<string> {
  const { requestRow, projectId = 'p', number = 1, state = 'created', startedAt = new Date() } = options
  const id = uuidv7()
  await sql.query(
    `INSERT INTO attempt (
       id, provision_request_id, project_id, number, state, started_at, finished_at, uncertain_at, reconcile_at, http_status,
       error_code, upstream_request_id, evidence
     ) VALUES (
       $1::uuid, $2::uuid, $3, $4::int, $5::attempt_state, $6::timestamptz,
       CASE WHEN $5 <> 'uncertain' THEN $6::timestamptz END,
       CASE WHEN $5 IN ('uncertain', 'void') THEN $6::timestamptz END, $7::timestamptz, $8::int, $9, $10, $11::jsonb
     )`,
    id,
    requestRow,
    projectId,
    number,
    state,
    startedAt,
    options.reconcileAt ?? null,
    options.httpStatus ?? null,
    options.errorCode ?? null,
    options.upstreamRequestId ?? null,
    options.evidence === undefined ? null : JSON.stringify(options.evidence),
  )
  return id
}

export async function insertTransitionRow(
  sql: Sql,
  row: {
    requestRow: string
    version: number
    at: Date
    from: RequestState | null
    to: RequestState
    cause: string
    attemptId?: string
    evidence?: unknown
  },
): Promise<void> {
  await sql.query(
    `INSERT INTO transition (provision_request_id, version, at, from_state, to_state, cause, attempt_id, evidence)
     VALUES ($1::uuid, $2::int, $3::timestamptz, $4::request_state, $5::request_state, $6, $7::uuid, $8::jsonb)`,
    row.requestRow,
    row.version,
    row.at,
    row.from,
    row.to,
    row.cause,
    row.attemptId ?? null,
    row.evidence === undefined ? null : JSON.stringify(row.evidence),
  )
}

/** The project's bucket, closed or due at the given times. */
export async function insertBucketRow(
  sql: Sql,
  row: { projectId?: string; dueAt?: Date; blockedUntil?: Date; blockedReason?: string },
): Promise<void> {
  await sql.query(
    `INSERT INTO rate_bucket (
       project_id, refill_per_second, capacity, tokens, refilled_at, due_at, blocked_until, blocked_reason
     ) VALUES ($1, 5, 10, 1, now(), $2::timestamptz, $3::timestamptz, $4)
     ON CONFLICT (project_id) DO UPDATE SET due_at = excluded.due_at, blocked_until = excluded.blocked_until,
       blocked_reason = excluded.blocked_reason`,
    row.projectId ?? 'p',
    row.dueAt ?? null,
    row.blockedUntil ?? null,
    row.blockedReason ?? null,
  )
}
