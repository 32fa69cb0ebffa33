import pg from 'pg'
import { expect, test } from 'vitest'
import { explainHotStatements } from '../../dev/bench/hot-statements.ts'
import { createTestDatabase } from '../support/database.ts'

/** One connection. It may still be closing when its database is dropped: its end is nobody's fault. */
function openPool(url: string): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max: 1 })
  pool.on('error', () => undefined)
  return pool
}

/** A connection plans a statement once, perhaps on the day the service is installed, and keeps the plan. */
test('statements planned on empty tables go by their indexes', async () => {
  const created = await createTestDatabase()
  const pool = openPool(created.url)
  try {
    const statements = await explainHotStatements({ pool })
    expect(Object.keys(statements).length).toBeGreaterThan(10)
    for (const [name, plan] of Object.entries(statements)) {
      expect({ name, sequential: plan.sequential }).toEqual({ name, sequential: [] })
    }
    for (const name of ['settle-attempts', 'claim-instances', 'record-observations', 'move-requests']) {
      expect({ name, rowsPerProbe: statements[name]?.rows_per_probe }).toEqual({ name, rowsPerProbe: 1 })
    }
    const indexesOf = (name: string, table: string) =>
      statements[name]?.indexes.filter((index) => index.startsWith(table)).toSorted()
    expect(indexesOf('claim-requests', 'provision_request')).toEqual([
      'provision_request_pkey',
      'provision_request_queue_idx',
    ])
    expect(indexesOf('claim-requests', 'rate_bucket')).toEqual(['rate_bucket_due_idx', 'rate_bucket_pkey'])
    expect(indexesOf('claim-instances', 'instance')).toEqual([
      'instance_pkey',
      'instance_poll_idx',
      'instance_project_poll_idx',
    ])
    expect(indexesOf('idle-requests', '')).toEqual([
      'instance_provision_request_id_idx',
      'provision_request_live_idx',
    ])
    expect(indexesOf('settle-attempts', '')).toEqual(['attempt_pkey', 'provision_request_pkey'])
    expect(indexesOf('read-events', '')).toEqual(['outbox_event_pkey'])
  } finally {
    await pool.end()
    await created.drop()
  }
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
      expect(indexdef).not.toMatch(/\b(state|version|attempts|attempt_number|created_count|updated_at)\b/)
    }
  } finally {
    await pool.end()
    await created.drop()
  }
})
