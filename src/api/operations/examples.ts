import type { LimitReply, PauseReply } from '../../contracts/limits.ts'
import type { AuditPage, DeadLetterList, Failures, Run, UncertainPage } from '../../contracts/operations.ts'
import type { ProjectList } from '../../contracts/project-list.ts'
import { EXAMPLES } from '../examples.ts'

/** What the routes for operators answer: examples of the OpenAPI document. */

const at = (minute: number) => new Date(Date.UTC(2026, 10, 23, 12, minute))

const RUN_ID = '019ab06b-6f1d-7c52-8a3e-0b7d52f1c9aa'
const KEY = { project_id: 'project-1', request_id: 'order-7f3c' }

const AUDIT: AuditPage = {
  entries: [
    {
      id: '1208',
      at: at(30),
      who: 'key:console',
      verb: 'dead_letters.replay',
      project_id: null,
      target: RUN_ID,
      before: null,
      after: { code: 'delivery_limit', max: 10_000, per_second: 500 },
      reason: 'replicas were restarted too often, see INC-341',
      until: null,
    },
  ],
  next_marker: '1208',
}

const FAILURES: Failures = {
  since: at(0),
  failures: [
    {
      code: 'iMetal.0001',
      count: 41,
      first: at(2),
      last: at(29),
      project_count: 1,
      projects: ['project-1'],
      sample: { ...KEY, message: 'the image does not exist', at: at(29) },
    },
  ],
  truncated: false,
}

const EVIDENCE = {
  error_code: 'UND_ERR_HEADERS_TIMEOUT',
  listings_without: 0,
  reconciling: {
    found: ['5b0c7c7e-8a55-4c4b-9d53-3c3f5c1f8f10'],
    agreed: 1,
    looks: [{ at: at(1).toISOString(), after_ms: 60_000, listed: 12, found: 1, verdict: 'look_again' }],
    look_count: 1,
  },
}

const UNCERTAIN: UncertainPage = {
  total: 1,
  attempts: [
    {
      ...KEY,
      attempt: 1,
      attempt_id: `${RUN_ID}.1`,
      expected: { min: 1, max: 3 },
      uncertain_since: at(0),
      age_seconds: 95,
      looks: 1,
      evidence: EVIDENCE,
      next_look_at: at(2),
    },
  ],
  next_marker: null,
}

const DEAD_LETTERS: DeadLetterList = {
  in_queue: 12,
  letters: [
    {
      id: '5b0c7c7e-8a55-8c4b-9d53-3c3f5c1f8f10',
      rejected_at: at(3),
      code: 'invalid_request',
      ...KEY,
      detail: [{ path: 'spec.min_count', message: 'must be at least 1' }],
      bytes: 812,
      replayed_at: null,
    },
  ],
}

const RUN: Run = {
  id: RUN_ID,
  kind: 'dead_letters',
  state: 'running',
  params: { code: 'delivery_limit', max: 10_000, per_second: 500 },
  total: 10_000,
  done: 4200,
  passed_over: 17,
  per_second: 498.2,
  error: null,
  created_at: at(30),
  started_at: at(30),
  finished_at: null,
}

const WAITING: Run = {
  ...RUN,
  ...{ state: 'waiting', total: null, done: 0, passed_over: 0, per_second: 0, started_at: null },
}

const EVENTS_WAITING: Run = {
  ...WAITING,
  kind: 'events',
  params: { target: 'billing', from: at(0).toISOString(), to: at(30).toISOString(), per_second: 500 },
}

const RESOLVE_REFUSED = {
  type: 'about:blank',
  title: 'Conflict',
  status: 409,
  code: 'cannot_resolve',
  detail: 'CloudDC holds instances of this attempt: 5b0c7c7e-8a55-4c4b-9d53-3c3f5c1f8f10',
  state: 'uncertain',
  evidence: EVIDENCE,
}

const CONFIGURED = { per_second: 5, burst: 10 }
const BY = { who: 'key:console', reason: 'CloudDC throttles the region, see INC-341' }
const NOBODY = { since: null, until: null, who: null, reason: null }

const LIMIT: LimitReply = {
  project_id: 'project-1',
  ...{ per_second: 2, burst: 4, overridden: true, configured: CONFIGURED },
  ...{ since: at(30), until: at(90), ...BY },
}

const LIMIT_REMOVED: LimitReply = {
  project_id: 'project-1',
  ...{ ...CONFIGURED, overridden: false, configured: CONFIGURED },
  ...NOBODY,
}

const PAUSED: PauseReply = {
  project_id: 'project-1',
  ...{ paused: true, since: at(30), until: null },
  ...{ who: 'key:console', reason: 'maintenance of the region, see INC-341' },
}

const RESUMED: PauseReply = { project_id: 'project-1', paused: false, ...NOBODY }

const PROJECTS: ProjectList = {
  projects: [{ ...EXAMPLES.summary, used_share: 0.92, credential_id: 'default' }],
  next_marker: null,
}

export const OPERATIONS_EXAMPLES = {
  audit: AUDIT,
  failures: FAILURES,
  uncertain: UNCERTAIN,
  deadLetters: DEAD_LETTERS,
  run: RUN,
  runWaiting: WAITING,
  eventsWaiting: EVENTS_WAITING,
  resolveRefused: RESOLVE_REFUSED,
  projects: PROJECTS,
  limit: LIMIT,
  limitRemoved: LIMIT_REMOVED,
  pausedProject: PAUSED,
  resumedProject: RESUMED,
} as const
