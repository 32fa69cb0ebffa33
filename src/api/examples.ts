import type { History } from '../contracts/history.ts'
import type { SealingKeys } from '../contracts/key-set.ts'
import type { InstanceReply, Problem, RequestList, RequestStatus } from '../contracts/status.ts'
import type { Summary } from '../contracts/summary.ts'

/** What the routes answer, in one order of three servers: examples of the OpenAPI document. */

const second = (seconds: number) => new Date(Date.UTC(2026, 10, 23, 12, 0, seconds))

const KEY = { project_id: 'project-1', request_id: 'order-7f3c' }

const FIRST_INSTANCE: RequestStatus['instances'][number] = {
  id: '5b0c7c7e-8a55-4c4b-9d53-3c3f5c1f8f10',
  state: 'running',
  name: 'web-0001',
  server_id: 'a3d9a1de-4c6f-47c8-8d0b-fd1f0d1f7c21',
  created_at: second(3),
  running_at: second(18),
  error: null,
}

const SECOND_INSTANCE: RequestStatus['instances'][number] = {
  ...FIRST_INSTANCE,
  id: 'c1d7f0a2-37b1-4a68-b2b7-0f2d9c0f6b55',
  state: 'pending',
  name: 'web-0002',
  server_id: null,
  running_at: null,
}

const PROVISIONING: RequestStatus = {
  ...KEY,
  state: 'provisioning',
  counts: { min: 1, max: 3, created: 2, running: 1, failed: 0 },
  instances: [FIRST_INSTANCE, SECOND_INSTANCE],
  name: 'web',
  priority: 0,
  deadline: null,
  correlation_id: null,
  attempts: 1,
  waiting: null,
  error: null,
  created_at: second(0),
  updated_at: second(18),
  dispatched_at: second(3),
  completed_at: null,
}

const CANCELLED: RequestStatus = {
  ...PROVISIONING,
  state: 'cancelled',
  counts: { min: 1, max: 3, created: 0, running: 0, failed: 0 },
  instances: [],
  attempts: 0,
  updated_at: second(4),
  dispatched_at: null,
  completed_at: second(4),
}

const LIST: RequestList = { requests: [PROVISIONING], next_marker: 'AZqwa28dfFKKPgt9UvHJqg' }

const TOO_FAST = {
  http_status: 429,
  error_code: 'APIG.0308',
  error_message: 'The throttling threshold has been reached',
}

const HISTORY: History = {
  ...KEY,
  history: [
    {
      kind: 'transition',
      time: second(0),
      cause: 'accepted',
      evidence: null,
      from: null,
      to: 'queued',
      attempt: null,
    },
    {
      kind: 'transition',
      time: second(1),
      cause: 'claimed',
      evidence: null,
      from: 'queued',
      to: 'dispatching',
      attempt: 1,
    },
    {
      kind: 'attempt',
      time: second(1),
      cause: 'claimed',
      evidence: TOO_FAST,
      attempt: 1,
      attempt_id: '019ab06b-6f1d-7c52-8a3e-0b7d52f1c9aa.1',
      state: 'not_created',
      upstream_request_id: '7d0c8a4be3f14b0f9a7f5a0c2f6f1b52',
      finished_at: second(2),
      reconcile_at: null,
    },
    {
      kind: 'transition',
      time: second(2),
      cause: 'throttled',
      evidence: TOO_FAST,
      from: 'dispatching',
      to: 'queued',
      attempt: 1,
    },
  ],
  truncated: false,
}

const INSTANCE: InstanceReply = {
  ...FIRST_INSTANCE,
  ...KEY,
  upstream_state: 'RUNNING',
  request: PROVISIONING,
}

const TOO_LATE: Problem & Pick<RequestStatus, 'state'> = {
  type: 'about:blank',
  title: 'Conflict',
  status: 409,
  code: 'too_late',
  detail: 'the request is provisioning: only a queued one can be cancelled',
  state: 'provisioning',
}

const METRICS = `# HELP provisioner_database_up 1 while the database gives the figures of this scrape
# TYPE provisioner_database_up gauge
provisioner_database_up 1
`

const KEY_SET: SealingKeys = {
  keys: [
    {
      kty: 'EC',
      crv: 'P-256',
      x: 'WKn-ZIGevcwGIyyrzFoZNBdaq9_TsqzGl96oc0CWuis',
      y: 'y77t-RvAHRKTsSGdIYUfweuOvwrvDD-Q3Hv5J0fSKbE',
      kid: 'k1',
      use: 'enc',
      alg: 'ECDH-ES+A256KW',
    },
  ],
}

const SUMMARY: Summary = {
  project_id: 'project-1',
  requests: {
    queued: 12,
    dispatching: 2,
    uncertain: 1,
    provisioning: 5,
    running: 940,
    partially_running: 3,
    failed: 7,
    expired: 0,
    cancelled: 1,
  },
  counts_capped: false,
  bucket: {
    level: 0.4,
    rate: 5,
    burst: 10,
    blocked_until: null,
    blocked_reason: null,
    paused: false,
    paused_until: null,
    overridden: false,
    override_until: null,
  },
  queue: { length: 12, seconds: 2.3, computed_at: second(17) },
  oldest_waiting: {
    request_id: 'order-7f40',
    created_at: second(5),
    waiting: {
      reason: 'rate_limit',
      until: second(18),
      detail: null,
      position: 1,
      estimated_dispatch_at: second(18),
      estimated_at: second(318),
    },
  },
  oldest_uncertain: { request_id: 'order-7f3d', since: second(9) },
}

export const EXAMPLES = {
  summary: SUMMARY,
  status: PROVISIONING,
  cancelled: CANCELLED,
  list: LIST,
  history: HISTORY,
  instance: INSTANCE,
  tooLate: TOO_LATE,
  health: { status: 'ok' },
  readiness: { status: 'ready', checks: { database: 'ok', broker: 'ok', migrations: 'ok' } },
  metrics: METRICS,
  keySet: KEY_SET,
} as const
