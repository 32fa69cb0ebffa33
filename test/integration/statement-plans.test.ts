import { readdirSync } from 'node:fs'
import { basename } from 'node:path'
import pg from 'pg'
import { beforeAll, describe, expect, test } from 'vitest'
import { type ExplainedStatements, explainStatements } from '../../dev/bench/explain.ts'
import { fillHistory } from '../../dev/bench/history-fill.ts'
import { walkHotWay } from '../../dev/bench/hot-statements.ts'
import {
  deleteRetiredKeys,
  deleteRetiredRequests,
  keepKeys,
} from '../../src/retention/retire-requests.sql.ts'
import { walkColdWays } from '../support/cold-statements.ts'
import { createTestDatabase } from '../support/database.ts'

/** Files of src/ that are not explained, and why. */
const NOT_EXPLAINED: Readonly<Record<string, string>> = {
  'ask-database': 'asks the server about itself, once',
  backends: 'asks the server for its connections, and no table',
  change: 'pieces of other statements',
  credential: 'pieces of what pays for calls',
  'deal-out': 'a piece of claim-requests',
  'deal-polls': 'a piece of claim-polls',
  'doubt-row': 'a piece of claim-doubts and find-doubt',
  forecast: 'a piece of read-requests',
  gate: 'pieces of claim-requests',
  'insert-polls': 'a piece of settle-attempts and add-instances',
  'limit-override': 'changes by people, of a few rows',
  'many-closed': 'a piece of apply-call-results',
  'missing-rights': "asks the server's catalogue",
  overdue: 'pieces of database-figures and read-standing',
  pause: 'a piece of claim-requests and others; changes by people, of a few rows',
  pay: 'pieces of what pays for calls',
  wait: 'pieces of read-requests and read-waiting',
}

/** Statements that read a table, or an index of all of its rows, without a key; what is in them, and why that is fine. */
const WITHOUT_A_KEY: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'boot-curves forget': { boot_curve: 'now and then' },
  'claim-polls': { poll_due_at_idx: 'its first row' },
  'retire-operations': { audit_entry_pkey: 'its first rows', operation_run_pkey: 'its first rows' },
  'retire-requests delete': { outbox_segment_pkey: 'its first row' },
  'due-sweeps sleeping': { rate_bucket_pkey: 'one row per project' },
  'due-audits find': { rate_bucket_pkey: 'one row per project' },
  'next-look': { rate_bucket_pkey: 'one row per project' },
  'reopen-credentials': { rate_bucket_pkey: 'one row per project, when a secret has changed' },
  'label-projects': { rate_bucket_pkey: 'all rows, now and then' },
  'store-forecasts': { forecast: 'one row per project with work' },
  'sync-credentials': { credential_bucket_pkey: 'one row per credential' },
  'claim-requests': {
    credential_bucket: 'one row per credential',
    pause: 'one row per pause',
    limit_override: 'one row per limit that a person has set',
  },
  'read-queues': { pause: 'one row per pause' },
  'find-projects': {
    rate_bucket_pkey: 'one row per project',
    pause_pkey: 'one row per pause',
    limit_override_pkey: 'one row per limit that a person has set',
  },
  'wanted-readings forgotten': { rate_bucket_pkey: 'one row per project' },
  'wanted-readings take': { rate_bucket: 'one row per project, where a credential is limited' },
  'begin-reading': { claim: 'what is in flight' },
  'idle-buckets mark': {
    rate_bucket_pkey: 'one row per project',
    poll: 'once a minute',
    look: 'once a minute',
  },
  'idle-buckets delete': {
    rate_bucket_pkey: 'one row per project',
    poll: 'once a minute',
    look: 'once a minute',
  },
  'sync-buckets': { rate_bucket_pkey: 'all rows, at the start' },
  'adaptive-rate': { rate_bucket_pkey: 'one row per project' },
  'rescue-claims stranded': { claim_pkey: 'what is in flight' },
  'rescue-claims gone replicas': { replica_pkey: 'one row per replica' },
  'leases next end': { replica: 'one row per replica' },
  'polled-instances': { poll: 'all rows, once a round' },
  'restore-polls': { poll: 'all rows, after a loss' },
  'database-figures': {
    credential_bucket: 'one row per credential',
    claim: 'up to the cap',
    pause: 'one row per pause',
    poll: 'up to the cap',
    poll_due_at_idx: 'its first row',
    outbox_segment: 'up to the cap',
    outbox_segment_pkey: 'its first row',
    replica: 'one row per replica',
  },
  'read-standing': {
    replica: 'one row per replica',
    duty_lease: 'one row per duty',
    pause: 'one row per pause',
    outbox_segment_pkey: 'its first rows, up to the cap',
    poll_due_at_idx: 'its first row',
  },
  'read-levels': {
    credential_bucket: 'one row per credential',
    rate_bucket_pkey: 'one row per project',
    limit_override: 'one row per project with a limit of its own',
    pause: 'one row per paused project',
  },
  // These are to be given a key.
  'apply-call-results': { rate_bucket_pkey: 'one row per project' },
  'note-written': {
    rate_bucket_pkey: 'one row per project',
    credential_bucket_pkey: 'one row per credential',
  },
  'apply-credential-results': { credential_bucket_pkey: 'one row per credential' },
}

/** Statements whose probes bring up more than the row that they look for. */
const MORE_PER_PROBE: Readonly<Record<string, string>> = {
  'claim-requests': 'a probe finds the first requests of a project',
  'read-queues': 'the queue of a project, up to a limit',
  'count-open': 'the open requests of a project, up to the cap',
  'read-waiting': 'the open requests of a project, up to the cap',
  'restore-polls': 'all polls for each project, after a loss',
}

/** One connection. It may still be closing when its database is dropped: its end is nobody's fault. */
function openPool(url: string): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max: 1 })
  pool.on('error', () => undefined)
  return pool
}

/** A connection plans a statement once, perhaps on the day the service is installed, and keeps the plan. */
describe('statements planned on empty tables', () => {
  let statements: ExplainedStatements

  beforeAll(async () => {
    const created = await createTestDatabase()
    const pool = openPool(created.url)
    try {
      statements = await explainStatements(pool, async (walk) => {
        await walkHotWay(walk)
        await walkColdWays(walk)
      })
    } finally {
      await pool.end()
      await created.drop()
    }
  })

  const indexesOf = (name: string, table: string) =>
    statements[name]?.indexes.filter((index) => index.startsWith(table)).toSorted()

  test('are all that there are', () => {
    const files = readdirSync('src', { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.sql.ts'))
      .map((path) => basename(path, '.sql.ts'))
    const explained = new Set(Object.keys(statements).map((name) => name.split(' ')[0]))
    const missing = files.filter((file) => !explained.has(file))
    expect(missing.toSorted()).toEqual(Object.keys(NOT_EXPLAINED).toSorted())
  })

  test('find their rows by a key', () => {
    const found = Object.entries(statements).flatMap(([name, { sequential, whole }]) =>
      [...sequential, ...whole].map((source) => `${name}: ${source}`),
    )
    const known = Object.entries(WITHOUT_A_KEY).flatMap(([name, sources]) =>
      Object.keys(sources).map((source) => `${name}: ${source}`),
    )
    expect(found.filter((one) => !known.includes(one))).toEqual([])
  })

  test('find one row by each probe', () => {
    const found = Object.entries(statements).filter(([, plan]) => plan.rows_per_probe > 1)
    expect(found.map(([name]) => name).filter((name) => !(name in MORE_PER_PROBE))).toEqual([])
    for (const name of ['settle-attempts', 'record-observations', 'add-instances', 'change-requests']) {
      expect({ name, rowsPerProbe: statements[name]?.rows_per_probe }).toEqual({ name, rowsPerProbe: 1 })
    }
  })

  test('go by the indexes that were made for them', () => {
    expect(indexesOf('claim-requests', 'provision_request')).toEqual([
      'provision_request_pkey',
      'provision_request_queue_idx',
    ])
    expect(indexesOf('claim-requests', 'rate_bucket')).toEqual(['rate_bucket_due_idx', 'rate_bucket_pkey'])
    expect(indexesOf('settle-attempts', '')).toEqual(['claim_pkey', 'provision_request_pkey'])
    expect(indexesOf('claim-polls', 'poll')).toContain('poll_due_at_idx')
    expect(indexesOf('record-observations', '')).toEqual([
      'instance_pkey',
      'poll_pkey',
      'provision_request_pkey',
    ])
    expect(indexesOf('count-open', 'provision_request')).toEqual(['provision_request_live_idx'])
    expect(indexesOf('read-segments', '')).toEqual(['outbox_segment_pkey'])
    expect(indexesOf('open-requests', 'provision_request')).toEqual(['provision_request_live_idx'])
    expect(indexesOf('read-requests by key', 'provision_request')).toEqual([
      'provision_request_project_id_request_id_key',
    ])
    const byProject = 'provision_request_project_id_id_idx'
    const pages = {
      all: [byProject],
      times: [byProject],
      open: ['provision_request_live_idx'],
      running: [byProject],
      failed: ['provision_request_exception_idx'],
      error: ['provision_request_error_idx'],
      correlation: ['provision_request_correlation_idx'],
      bulk: ['provision_request_project_id_request_id_key'],
    }
    for (const [kind, indexes] of Object.entries(pages)) {
      const used = indexesOf(`read-page ${kind}`, 'provision_request')
      expect({ kind, used: used?.filter((name) => name !== 'provision_request_pkey') }).toEqual({
        kind,
        used: indexes,
      })
    }
    expect(indexesOf('find-failures', '')).toEqual(['provision_request_failure_idx'])
    expect(indexesOf('read-waiting', 'provision_request')).toEqual(['provision_request_live_idx'])
    expect(indexesOf('read-flow', '')).toEqual(['flow_count_pkey'])
    expect(indexesOf('count-letters', '')).toEqual(['dead_letter_open_idx'])
    expect(indexesOf('find-uncertain', 'look')).toEqual(['look_doubt_idx'])
    expect(indexesOf('carry-run take', '')).toEqual(['operation_run_open_idx', 'operation_run_pkey'])
    expect(indexesOf('read-history', '')).toEqual([
      'history_part_pkey',
      'look_pkey',
      'provision_request_project_id_request_id_key',
    ])
  })
})

/** A replica that is started later plans for what there is by then. */
describe('statements planned on a long history', () => {
  const ENDED = 20_000
  let statements: ExplainedStatements

  beforeAll(async () => {
    const created = await createTestDatabase()
    const pool = openPool(created.url)
    try {
      await fillHistory(created.url, ENDED, () => undefined)
      statements = await explainStatements(pool, async (walk) => {
        const young = { olderThanDays: 30, limit: 100, ahead: 1000 }
        await keepKeys(walk.as('retire-requests keep, nothing due'), young)
        await deleteRetiredRequests(walk.as('retire-requests delete, nothing due'), {
          ...young,
          keptForMs: 0,
        })
        await deleteRetiredKeys(walk.as('retire-requests keys, nothing due'), young)
        await walkHotWay(walk)
        await walkColdWays(walk)
      })
    } finally {
      await pool.end()
      await created.drop()
    }
  })

  test('read some of it at most', () => {
    const found = Object.entries(statements).filter(([, plan]) => plan.rows_touched > ENDED / 10)
    expect(found.map(([name, { rows_touched }]) => `${name}: ${rows_touched} rows`)).toEqual([])
  })

  test('read nothing of it where nothing is due', () => {
    const found = Object.entries(statements).filter(([name]) => name.endsWith('nothing due'))
    expect(found.map(([name, { rows_touched }]) => [name, rows_touched])).toEqual([
      ['retire-requests keep, nothing due', 0],
      ['retire-requests delete, nothing due', 0],
      ['retire-requests keys, nothing due', 0],
    ])
  })
})

/** Otherwise each change of state writes to every index of the table. */
test('no index of requests holds what changes with each state', async () => {
  const created = await createTestDatabase()
  const pool = openPool(created.url)
  try {
    const { rows } = await pool.query<{ indexdef: string }>(
      `SELECT indexdef FROM pg_indexes WHERE tablename = 'provision_request'`,
    )
    expect(rows.length).toBeGreaterThan(3)
    for (const { indexdef } of rows) {
      expect(indexdef).not.toMatch(
        /\b(state|version|attempts|attempt_number|claim_id|created_count|instance_ids|history|updated_at)\b/,
      )
    }
  } finally {
    await pool.end()
    await created.drop()
  }
})
