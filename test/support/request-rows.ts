import { v7 as uuidv7 } from 'uuid'
import type { Sql } from '../../src/database/database.ts'
import type { HistoryEntry } from '../../src/request/history.ts'
import { PRIORITY_STEP_MINUTES, type RequestState } from '../../src/request/provision-request.ts'

export interface RequestRowOptions {
  id?: string
  projectId?: string
  requestId?: string
  state?: RequestState
  /** Queued: waits for this time instead of standing in the queue. */
  retryAt?: Date
  attempts?: number
  /** Number of its last attempt. */
  attemptNumber?: number
  error?: { code: string; message: string }
  correlationId?: string
  deadline?: Date
  instances?: { id: string; state: 'pending' | 'running' | 'failed' }[]
  /** One of 0..9. */
  priority?: number
  /** When it last changed, and its instances ended. */
  at?: Date
  /** When it was stored; by default at the same time. */
  createdAt?: Date
  /** By default that it was accepted, and nothing more. */
  history?: readonly HistoryEntry[]
}

/** How a request without instances came into its state; one with instances was provisioning before it ended. */
const PREVIOUS: Readonly<Record<RequestState, RequestState | null>> = {
  queued: null,
  dispatching: 'queued',
  uncertain: 'dispatching',
  provisioning: 'dispatching',
  running: 'provisioning',
  partially_running: 'provisioning',
  failed: 'dispatching',
  expired: 'queued',
  cancelled: 'queued',
}

const TERMINAL: readonly RequestState[] = ['running', 'partially_running', 'failed', 'expired', 'cancelled']
const DISPATCHED: readonly RequestState[] = ['provisioning', 'running', 'partially_running']
const SEALED: readonly RequestState[] = ['queued', 'dispatching', 'uncertain']

/** Where the passwords of all rows could leak from. */
export const SEALED_CANARY = 'Canary-Passw0rd!'

/**
 * Stores a request as it stands in the given state, with what the checks of the table ask for, its instances and the
 * poll of those that are pending. What only points to open work (a claim, a look) is left to the test. Returns its id.
 */
export async function insertRequestRow(sql: Sql, options: RequestRowOptions = {}): Promise<string> {
  const { id = uuidv7(), projectId = 'p', state = 'queued', retryAt = null, attempts = 0, error } = options
  const { requestId = `order-${id}`, instances = [], at = new Date(), createdAt = at } = options
  const { attemptNumber = Math.max(attempts, instances.length > 0 ? 1 : 0) } = options
  const { history = [{ v: 1, at: at.getTime(), to: 'queued', cause: 'accepted' }] } = options
  const of = (wanted: string) => instances.filter((instance) => instance.state === wanted).length
  const completed = TERMINAL.includes(state)
  const dispatched = instances.length > 0 || DISPATCHED.includes(state)
  const version = Math.max(1, ...history.map(({ v }) => v))
  await insertRow(sql, 'provision_request', {
    id,
    project_id: projectId,
    request_id: requestId,
    correlation_id: options.correlationId ?? null,
    deadline: options.deadline ?? null,
    content_digest: Buffer.from([0]),
    password_digest: SEALED_CANARY,
    spec: JSON.stringify({ name: 'web', description: SEALED_CANARY, image_id: 'image-1' }),
    sealed_password: SEALED.includes(state) ? Buffer.from(SEALED_CANARY) : null,
    password_trace: SEALED.includes(state) ? SEALED_CANARY : null,
    state,
    previous_state: state === 'failed' && instances.length > 0 ? 'provisioning' : PREVIOUS[state],
    version,
    priority: options.priority ?? 0,
    min_count: 1,
    max_count: Math.max(1, instances.length),
    queue_rank:
      state === 'queued' && retryAt === null
        ? new Date(at.getTime() - (options.priority ?? 0) * PRIORITY_STEP_MINUTES * 60_000)
        : null,
    retry_at: retryAt,
    attempts,
    attempt_number: attemptNumber,
    claim_id: state === 'dispatching' ? uuidv7() : null,
    created_count: instances.length,
    running_count: of('running'),
    failed_count: of('failed'),
    error_code: error?.code ?? null,
    error_message: error?.message ?? null,
    error_at: error === undefined ? null : at,
    created_at: createdAt,
    updated_at: at,
    dispatched_at: dispatched ? at : null,
    completed_at: completed ? at : null,
    exception_state: completed && state !== 'running' ? state : null,
    instance_ids: instances.map((instance) => instance.id),
    history: linesOf(history),
  })
  for (const instance of instances) {
    const [running, failed] = [instance.state === 'running', instance.state === 'failed']
    await insertRow(sql, 'instance', {
      project_id: projectId,
      id: instance.id,
      provision_request_id: id,
      attempt: attemptNumber,
      created_at: at,
      state: instance.state,
      name: 'web',
      upstream_state: instance.state.toUpperCase(),
      running_at: running ? at : null,
      error_code: failed ? 'boot_failed' : null,
      error_message: failed ? 'it did not boot' : null,
      ended_version: running || failed ? version : null,
      ended_at: running || failed ? at : null,
    })
  }
  const pending = instances.filter((instance) => instance.state === 'pending').map((instance) => instance.id)
  if (pending.length > 0) await insertPollRow(sql, { projectId, instanceIds: pending, dueAt: at })
  return id
}

/** A history as it is stored. */
export function linesOf(entries: readonly HistoryEntry[]): string {
  return entries.map((entry) => `${JSON.stringify(entry)}\n`).join('')
}

export async function insertHistoryPart(
  sql: Sql,
  part: { requestRow: string; history: readonly HistoryEntry[] },
): Promise<void> {
  const version = part.history.at(-1)?.v ?? 0
  await insertRow(sql, 'history_part', {
    provision_request_id: part.requestRow,
    version,
    history: linesOf(part.history),
  })
}

export async function insertPollRow(
  sql: Sql,
  poll: { projectId?: string; instanceIds: readonly string[]; dueAt: Date },
): Promise<void> {
  await insertRow(sql, 'poll', {
    id: uuidv7(),
    project_id: poll.projectId ?? 'p',
    due_at: poll.dueAt,
    limit_at: new Date(poll.dueAt.getTime() + 3_600_000),
    members: poll.instanceIds.map((id) => JSON.stringify([id, poll.dueAt.getTime(), null, null])),
  })
}

export async function insertLookRow(
  sql: Sql,
  look: {
    requestRow: string
    projectId?: string
    attempt?: number
    purpose?: 'doubt' | 'audit'
    dueAt: Date
    listingsWithout?: number
    evidence?: unknown
  },
): Promise<void> {
  await insertRow(sql, 'look', {
    provision_request_id: look.requestRow,
    attempt: look.attempt ?? 1,
    project_id: look.projectId ?? 'p',
    purpose: look.purpose ?? 'doubt',
    due_at: look.dueAt,
    listings_without: look.listingsWithout ?? 0,
    evidence: look.evidence === undefined ? null : JSON.stringify(look.evidence),
  })
}

/** The claim of requests that are dispatching, by a replica that need not exist. */
export async function insertClaimRow(
  sql: Sql,
  claim: { id?: string; replicaId?: string; requestRows: readonly string[]; at?: Date },
): Promise<void> {
  await insertRow(sql, 'claim', {
    id: claim.id ?? uuidv7(),
    replica_id: claim.replicaId ?? uuidv7(),
    claimed_at: claim.at ?? new Date(),
    request_ids: [...claim.requestRows],
  })
}

/** The project's bucket, closed or due at the given times. */
export async function insertBucketRow(
  sql: Sql,
  row: {
    projectId?: string
    credentialId?: string
    dueAt?: Date
    blockedUntil?: Date
    blockedReason?: string
  },
): Promise<void> {
  const { projectId = 'p' } = row
  await sql.query('DELETE FROM rate_bucket WHERE project_id = $1', projectId)
  await insertRow(sql, 'rate_bucket', {
    project_id: projectId,
    credential_id: row.credentialId ?? 'none',
    refill_per_second: 5,
    capacity: 10,
    tokens: 1,
    refilled_at: new Date(),
    due_at: row.dueAt ?? null,
    blocked_until: row.blockedUntil ?? null,
    blocked_reason: row.blockedReason ?? null,
  })
}

async function insertRow(sql: Sql, table: string, columns: Readonly<Record<string, unknown>>): Promise<void> {
  const names = Object.keys(columns)
  const places = names.map((_, index) => `$${index + 1}`)
  await sql.query(
    `INSERT INTO ${table} (${names.join(', ')}) VALUES (${places.join(', ')})`,
    ...Object.values(columns),
  )
}
