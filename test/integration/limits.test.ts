import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { createCallLimits } from '../../src/budget/call-limits.ts'
import { createLimitsInForce } from '../../src/budget/limits-in-force.ts'
import { bucketLimit } from '../../src/budget/token-bucket.ts'
import { type ChangeContext, removeLimit, setLimit } from '../../src/operations/change-limit.ts'
import { RefusedChangeError } from '../../src/operations/refused-change.ts'
import { deleteIdleBuckets } from '../../src/retention/idle-buckets.sql.ts'
import { eventually } from '../support/eventually.ts'
import { clearTables, useTestDatabase } from '../support/store-database.ts'
import { claim, placeRequests, readBucket, setBucket } from './statement-world.ts'

const database = await useTestDatabase()
beforeEach(() => clearTables(database))

/** As placeRequests makes them. */
const CONFIGURED = { perSecond: 10, burst: 20 }
const BY = { who: 'key:console', reason: 'to see what becomes of it' }
const FOR_EVER = { until: null }

function setUp({ projects = '*' }: { projects?: ChangeContext['projects'] } = {}) {
  const limits = createCallLimits({ standard: CONFIGURED, overrides: new Map(), credentials: new Map() })
  const limitsInForce = createLimitsInForce({ database, limits, credentialOf: () => 'none', adaptive: false })
  const context: ChangeContext = { database, limitsInForce, limitOf: limits.of, projects }
  return {
    context,
    set: (limit: { perSecond: number; burst: number; until?: Date | null }, projectId = 'p') =>
      setLimit(context, projectId, { ...FOR_EVER, ...limit }, BY),
    remove: (projectId = 'p') => removeLimit(context, projectId, BY),
    limitsInForce,
  }
}

const audit = async () =>
  (await database.prisma.auditEntry.findMany({ orderBy: { id: 'asc' } })).map(
    ({ verb, projectId, before, after, who, reason }) => ({ verb, projectId, before, after, who, reason }),
  )

describe('a limit that a person sets', () => {
  test('is that of the bucket with the commit, and told with what was before', async () => {
    await placeRequests(database)
    const { set, remove } = setUp()
    const changed = await set({ perSecond: 2, burst: 4 })
    expect(changed).toMatchObject({ configured: CONFIGURED, override: { perSecond: 2, burst: 4, ...BY } })
    expect(await readBucket(database)).toMatchObject(bucketLimit({ perSecond: 2, burst: 4 }))
    await set({ perSecond: 3, burst: 4 })
    await remove()
    expect(await readBucket(database)).toMatchObject(bucketLimit(CONFIGURED))
    const configured = { configured: true, per_second: 10, burst: 20 }
    const first = { configured: false, per_second: 2, burst: 4, until: null }
    const second = { ...first, per_second: 3 }
    expect(await audit()).toEqual([
      { verb: 'limit.set', projectId: 'p', before: configured, after: first, ...BY },
      { verb: 'limit.set', projectId: 'p', before: first, after: second, ...BY },
      { verb: 'limit.remove', projectId: 'p', before: second, after: configured, ...BY },
    ])
  })

  test('mints no token: the level stays, what has flowed in so far came at the old rate', async () => {
    const limit = fc.record({
      perSecond: fc.double({ min: 0.1, max: 50, noNaN: true }),
      burst: fc.double({ min: 1, max: 30, noNaN: true }),
    })
    await placeRequests(database)
    const { set } = setUp()
    await fc.assert(
      fc.asyncProperty(limit, limit, fc.double({ min: 0, max: 1, noNaN: true }), async (old, next, part) => {
        await set(old)
        await setBucket(database, 'p', {
          tokens: `capacity * ${part}`,
          refilled_at: `now() - interval '2 s'`,
        })
        const before = await readBucket(database)
        await set(next)
        const after = await readBucket(database)
        const isSame = after.refillPerSecond === before.refillPerSecond && after.capacity === before.capacity
        if (isSame) {
          expect(after).toEqual(before)
          return
        }
        const rises = after.refillPerSecond > before.refillPerSecond
        const elapsed = after.refilledAt - (rises ? 0.9 : 0) - before.refilledAt
        expect(elapsed).toBeGreaterThan(1.9)
        const held = Math.min(before.capacity, before.tokens + elapsed * before.refillPerSecond)
        expect(after.tokens).toBeCloseTo(Math.min(after.capacity, held), 4)
      }),
      { numRuns: 30, endOnFailure: true },
    )
  })

  test('looks again at a project that waits for a token, but not at one that is closed or asleep', async () => {
    const { set } = setUp()
    for (const projectId of ['waits', 'closed', 'asleep']) await placeRequests(database, { projectId })
    await setBucket(database, 'waits', { due_at: `now() + interval '1 hour'` })
    const closing = { blocked_until: `now() + interval '1 hour'`, blocked_reason: `'throttled'` }
    await setBucket(database, 'closed', { due_at: `now() + interval '1 hour'`, ...closing })
    await setBucket(database, 'asleep', { due_at: 'NULL' })
    for (const projectId of ['waits', 'closed', 'asleep']) await set({ perSecond: 20, burst: 20 }, projectId)
    const rows = await database.query(
      'SELECT project_id AS "projectId", due_at <= now() AS "isDue" FROM rate_bucket ORDER BY 1',
    )
    expect(rows).toEqual([
      { projectId: 'asleep', isDue: null },
      { projectId: 'closed', isDue: false },
      { projectId: 'waits', isDue: true },
    ])
  })

  test('waits for the first order of a project, also where its bucket was removed', async () => {
    const { set } = setUp()
    const limit = bucketLimit({ perSecond: 2, burst: 4 })
    await set({ perSecond: 2, burst: 4 })
    await placeRequests(database)
    expect(await readBucket(database)).toMatchObject(limit)
    expect((await claim(database)).requests).toHaveLength(1)
    await database.query(
      'UPDATE provision_request SET state = $1, previous_state = $2, claim_id = NULL, completed_at = now(), sealed_password = NULL, password_trace = NULL, exception_state = $1',
      'failed',
      'dispatching',
    )
    await setBucket(database, 'p', {
      due_at: 'NULL',
      refilled_at: `now() - interval '1 day'`,
      retiring_at: `now() - interval '1 day'`,
    })
    expect(await deleteIdleBuckets(database, { idleMs: 1000, limit: 10, keptForMs: 0 })).toBe(1)
    await placeRequests(database)
    expect(await readBucket(database)).toMatchObject(limit)
  })

  test('ends by itself with the first claim after its time', async () => {
    await placeRequests(database)
    const { set, limitsInForce } = setUp()
    await limitsInForce.sync()
    await set({ perSecond: 2, burst: 4, until: new Date(Date.now() + 400) })
    const { changesInMs } = await claim(database)
    expect(changesInMs).toBeLessThanOrEqual(400)
    limitsInForce.endsIn(changesInMs)
    await eventually(async () => {
      await limitsInForce.sync()
      expect(await readBucket(database)).toMatchObject(bucketLimit(CONFIGURED))
    })
    expect(await database.prisma.limitOverride.count()).toBe(0)
    expect((await claim(database)).changesInMs).toBeNull()
  })

  test('survives restarts: a replica that starts leaves it in force', async () => {
    await placeRequests(database)
    await setUp().set({ perSecond: 2, burst: 4 })
    await setUp().limitsInForce.sync()
    expect(await readBucket(database)).toMatchObject(bucketLimit({ perSecond: 2, burst: 4 }))
  })

  test('is not undone by a replica that starts in the same moment', async () => {
    // Made under another configuration, so that the start has something to write.
    await placeRequests(database, { limit: { perSecond: 7, burst: 20 } })
    const { context } = setUp()
    const [written, started] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const apply: ChangeContext['limitsInForce']['apply'] = async (sql, projectIds) => {
      await context.limitsInForce.apply(sql, projectIds)
      written.resolve()
      await started.promise
    }
    const held = { ...context, limitsInForce: { apply } }
    const setting = setLimit(held, 'p', { perSecond: 2, burst: 4, until: null }, BY)
    await written.promise
    const syncing = setUp().limitsInForce.sync()
    await eventually(async () => {
      const waiting = await database.query(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      )
      expect(waiting).toHaveLength(1)
    })
    started.resolve()
    await Promise.all([setting, syncing])
    expect(await readBucket(database)).toMatchObject(bucketLimit({ perSecond: 2, burst: 4 }))
  })

  test('is refused where it makes no sense, and then changes nothing', async () => {
    const { set, remove } = setUp({ projects: new Set(['other']) })
    await expect(remove()).rejects.toThrow(RefusedChangeError)
    await expect(set({ perSecond: 2, burst: 4 })).rejects.toThrow(/PROJECTS does not list p/)
    await placeRequests(database)
    await expect(set({ perSecond: 2, burst: 4, until: new Date(Date.now() - 1000) })).rejects.toThrow(
      /passed/,
    )
    expect([await audit(), await database.prisma.limitOverride.count()]).toEqual([[], 0])
    await set({ perSecond: 2, burst: 4 })
  })

  test('two at once come one after the other, and the audit tells both', async () => {
    const { set } = setUp()
    await Promise.all([1, 2, 3, 4].map((perSecond) => set({ perSecond, burst: 4 })))
    const entries = await audit()
    expect(entries.map(({ before }) => before)).toEqual([
      { configured: true, per_second: 10, burst: 20 },
      ...entries.slice(0, -1).map(({ after }) => after),
    ])
  })
})

/** The bucket is made by whichever comes first, and has the limit. */
test('a first order and a limit that come together', async () => {
  const { set } = setUp()
  for (let n = 0; n < 10; n += 1) {
    const projectId = `together-${n}`
    await Promise.all([placeRequests(database, { projectId }), set({ perSecond: 2, burst: 4 }, projectId)])
    expect(await readBucket(database, projectId)).toMatchObject(bucketLimit({ perSecond: 2, burst: 4 }))
    const [row] = await database.query<{ due: boolean }>(
      'SELECT due_at IS NOT NULL AS due FROM rate_bucket WHERE project_id = $1',
      projectId,
    )
    expect(row?.due).toBe(true)
  }
})
