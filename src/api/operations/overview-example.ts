import { RATE_MINUTES, RATE_STEP_SECONDS } from '../../operations/overview-bounds.ts'
import type { Overview } from '../../operations/overview-reply.ts'

/** What the overview answers while the permission of one project is withdrawn: the example of the OpenAPI document. */

const at = (minute: number, second = 0) => new Date(Date.UTC(2026, 10, 23, 12, minute, second))

const REPLICA = '019ab06b-6f1d-7c52-8a3e-0b7d52f1c9aa'
const STEPS = (RATE_MINUTES * 60) / RATE_STEP_SECONDS

/** So many of each step, a few more and a few less. */
const about = (n: number) => Array.from({ length: STEPS }, (_, step) => n + ((step * 7) % 5))

export const OVERVIEW_EXAMPLE: Overview = {
  read_at: at(30, 2),
  troubles: [
    {
      severity: 'broken',
      code: 'projects_closed',
      message: '1 project is closed (forbidden): project-9',
      since: null,
    },
    { severity: 'watch', code: 'uncertain', message: '1 call has an unknown outcome', since: at(28) },
    {
      severity: 'watch',
      code: 'dead_letters',
      message: '12 letters wait in provision.requests.dead',
      since: at(4),
    },
  ],
  replicas: [
    {
      id: REPLICA,
      host: 'provisioner-7d9c5b6f4-x2x8q',
      version: '0.1.0',
      roles: ['intake', 'dispatch', 'readiness', 'outbox', 'api', 'maintenance'],
      since: at(0),
      seen_at: at(29, 55),
      silent: false,
    },
  ],
  duties: [
    { duty: 'relay', shared: false, replica_id: REPLICA, overdue_seconds: 0 },
    { duty: 'dispatch', shared: true, replica_id: null, overdue_seconds: 0 },
  ],
  rates: {
    step_seconds: RATE_STEP_SECONDS,
    from: at(15),
    to: at(30),
    accepted: about(48),
    dispatched: about(50),
    running: about(47),
    failed: about(0),
    published: about(240),
  },
  open: {
    queued: 312,
    dispatching: 2,
    uncertain: 1,
    provisioning: 41,
    capped: false,
    events: 0,
    oldest_event_at: null,
  },
  waiting: {
    by_reason: [
      { reason: 'rate_limit', count: 300, projects: 1, oldest_at: at(27) },
      { reason: 'forbidden', count: 12, projects: 1, oldest_at: at(21) },
      { reason: 'reconciling', count: 1, projects: 1, oldest_at: at(26) },
    ],
    rows: [
      {
        project_id: 'project-9',
        reason: 'forbidden',
        count: 12,
        capped: false,
        oldest: { request_id: 'order-7d01', created_at: at(21) },
        until: at(30, 30),
        detail: null,
      },
      {
        project_id: 'project-1',
        reason: 'reconciling',
        count: 1,
        capped: false,
        oldest: { request_id: 'order-7f3c', created_at: at(26) },
        until: at(30, 40),
        detail: null,
      },
      {
        project_id: 'project-1',
        reason: 'rate_limit',
        count: 300,
        capped: false,
        oldest: { request_id: 'order-7f40', created_at: at(27) },
        until: at(30, 3),
        detail: null,
      },
    ],
    total: 3,
  },
  budgets: {
    paused: null,
    projects: [
      {
        project_id: 'project-9',
        rate: 5,
        burst: 10,
        level: 10,
        used_share: 0,
        waiting: true,
        closed_reason: 'forbidden',
        closed_until: at(30, 30),
        credential_id: 'main',
        paused: false,
        paused_until: null,
        overridden: false,
        override_until: null,
      },
      {
        project_id: 'project-1',
        rate: 5,
        burst: 10,
        level: 0.8,
        used_share: 0.92,
        waiting: true,
        closed_reason: null,
        closed_until: null,
        credential_id: 'main',
        paused: false,
        paused_until: null,
        overridden: true,
        override_until: at(59),
      },
    ],
    totals: { projects: 2, waiting: 2, closed: 1, paused: 0, overridden: 1 },
    credentials: [
      {
        credential_id: 'main',
        rate: 10,
        burst: 20,
        level: 12.5,
        used_share: 0.38,
        closed_reason: null,
        closed_until: null,
        proven: true,
        projects: 2,
      },
    ],
  },
  uncertain: {
    count: 1,
    oldest_at: at(28),
    sample: [
      {
        project_id: 'project-1',
        request_id: 'order-7f3c',
        attempt: 1,
        since: at(28),
        cause: 'UND_ERR_HEADERS_TIMEOUT',
        looks: 3,
        found: ['5b0c7c7e-8a55-4c4b-9d53-3c3f5c1f8f10'],
        verdict: 'look_again',
        needs_person: false,
        next_look_at: at(30, 40),
      },
    ],
  },
  failures: {
    since: new Date(at(30).getTime() - 86_400_000),
    count: 41,
    causes: [
      {
        code: 'iMetal.0001',
        count: 41,
        first: at(2),
        last: at(29),
        project_count: 1,
        projects: ['project-1'],
        sample: {
          project_id: 'project-1',
          request_id: 'order-7e11',
          message: 'the image does not exist',
          at: at(29),
        },
      },
    ],
    truncated: false,
  },
  dead_letters: {
    in_queue: 12,
    by_code: [{ code: 'invalid_request', count: 12, capped: false, newest_at: at(29) }],
  },
  changes: [
    {
      id: '1208',
      at: at(20),
      who: 'key:console',
      verb: 'dead_letters.replay',
      project_id: null,
      target: REPLICA,
      before: null,
      after: { code: 'delivery_limit', max: 10_000, per_second: 500 },
      reason: 'replicas were restarted too often, see INC-341',
      until: null,
    },
  ],
}
