import { beforeEach, describe, expect, test } from 'vitest'
import { cancelRequest } from '../../src/api/cancel.ts'
import { createReads } from '../../src/api/reads.ts'
import { payForReading } from '../../src/budget/pay-for-reading.sql.ts'
import { findExpired } from '../../src/dispatch/due-sweeps.sql.ts'
import { pause, resume } from '../../src/operations/change-pause.ts'
import { RefusedChangeError } from '../../src/operations/refused-change.ts'
import { eventually } from '../support/eventually.ts'
import { clearTables, useTestDatabase } from '../support/store-database.ts'
import { claim, placeRequests, SHARE, setBucket } from './statement-world.ts'

const database = await useTestDatabase()
beforeEach(() => clearTables(database))

const BY = { who: 'key:console', reason: 'maintenance of the region' }
const context = { database, projects: '*' } as const
const paused = (projectId: string | null, until: Date | null = null) => pause(context, projectId, until, BY)
const resumed = (projectId: string | null) => resume(context, projectId, BY)
const reads = createReads({ database, limitOf: () => ({ perSecond: 10, burst: 20 }) })

const claimed = async () => {
  for (const projectId of ['p', 'q']) await setBucket(database, projectId, { tokens: 'capacity' })
  return (await claim(database, { slots: 1 })).requests.map(({ projectId }) => projectId)
}

/** Two projects with work, `p` first in the line. */
async function placeTwo() {
  for (const projectId of ['p', 'q']) await placeRequests(database, { projectId, count: 9 })
  await setBucket(database, 'p', { due_at: `now() - interval '2 s'` })
  await setBucket(database, 'q', { due_at: `now() - interval '1 s'` })
}

describe('while a project is paused', () => {
  test('its orders are not claimed, those of others are, and it keeps its place in the line', async () => {
    await placeTwo()
    await paused('p')
    expect(await claimed()).toEqual(['q'])
    await setBucket(database, 'q', { due_at: 'now()' })
    expect(await claimed()).toEqual(['q'])
    await setBucket(database, 'q', { due_at: 'now()' })
    await resumed('p')
    expect(await claimed()).toEqual(['p'])
  })

  test('a claim knows of nothing to do, but of the end of the pause', async () => {
    await placeRequests(database)
    await setBucket(database, 'p', { tokens: 'capacity' })
    await paused('p')
    const nothing = { requests: [], waitMs: null, asleep: [] }
    expect(await claim(database)).toMatchObject({ ...nothing, changesInMs: null })
    await paused('p', new Date(Date.now() + 60_000))
    const { changesInMs, ...rest } = await claim(database)
    expect(rest).toMatchObject(nothing)
    expect(changesInMs).toBeGreaterThan(50_000)
  })

  test('it ends by itself, on the clock of the database', async () => {
    await placeRequests(database)
    await setBucket(database, 'p', { tokens: 'capacity' })
    await paused('p', new Date(Date.now() + 300))
    expect((await claim(database)).requests).toHaveLength(0)
    await eventually(async () => expect((await claim(database)).requests).toHaveLength(1))
  })

  test('reading calls are paid for, deadlines pass, and cancelling works', async () => {
    await placeTwo()
    await paused('p')
    await setBucket(database, 'p', { tokens: 'capacity', poll_credit: '1' })
    const call = { projectId: 'p', purpose: 'poll', share: SHARE, lateMs: 0 } as const
    expect(await payForReading(database, call)).toMatchObject({ granted: true })
    const [first] = await database.query<{ requestId: string }>(
      `SELECT request_id AS "requestId" FROM provision_request WHERE project_id = 'p' LIMIT 1`,
    )
    expect(await cancelRequest(database, { projectId: 'p', requestId: first?.requestId ?? '' })).toBe(
      'cancelled',
    )
    await placeRequests(database, { deadline: new Date(Date.now() - 1000) })
    expect(await findExpired(database, 10)).toHaveLength(1)
  })

  test('its waiting requests and its summary say so', async () => {
    await placeRequests(database, { requestId: 'order-1' })
    const key = { projectId: 'p', requestId: 'order-1' }
    const until = new Date(Date.now() + 60_000)
    await paused('p', until)
    const waiting = { reason: 'paused', until, detail: 'the project is paused: maintenance of the region' }
    expect((await reads.status(key))?.status.waiting).toMatchObject(waiting)
    expect(await reads.summary('p')).toMatchObject({
      bucket: { paused: true, paused_until: until },
      oldest_waiting: { waiting },
    })
    // That of all projects ends later.
    await paused(null)
    const all = {
      reason: 'paused',
      until: null,
      detail: 'all projects are paused: maintenance of the region',
    }
    expect((await reads.status(key))?.status.waiting).toMatchObject(all)
    await resumed('p')
    await resumed(null)
    expect((await reads.status(key))?.status.waiting).toMatchObject({ reason: 'rate_limit' })
    expect((await reads.summary('p')).bucket).toMatchObject({ paused: false, paused_until: null })
  })
})

test('all projects are paused at once, also those that order first meanwhile', async () => {
  await placeTwo()
  await paused(null)
  await placeRequests(database, { projectId: 'new' })
  await setBucket(database, 'new', { tokens: 'capacity' })
  expect([await claimed(), (await claim(database)).waitMs]).toEqual([[], null])
  await resumed(null)
  expect((await claim(database, { slots: 20 })).requests.length).toBeGreaterThan(2)
})

test('a pause is told in the audit, with what was before; a second one changes its end', async () => {
  const until = new Date(Date.now() + 60_000)
  const first = await paused('new')
  expect(await paused('new', until)).toMatchObject({ since: first.since, until })
  await resumed('new')
  await paused(null)
  const entries = await database.prisma.auditEntry.findMany({ orderBy: { id: 'asc' } })
  const [since, end, { reason }] = [first.since.toISOString(), until.toISOString(), BY]
  const none = { paused: false }
  const was = { paused: true, since, until: null, reason }
  const longer = { ...was, until: end }
  expect(entries).toMatchObject([
    { verb: 'pause', projectId: 'new', before: none, after: was, until: null, ...BY },
    { verb: 'pause', projectId: 'new', before: was, after: longer, until, ...BY },
    { verb: 'resume', projectId: 'new', before: longer, after: none, until: null, ...BY },
    { verb: 'pause', projectId: null, before: none, until: null, ...BY },
  ])
})

test('what makes no sense is refused, and changes nothing', async () => {
  await expect(resumed('p')).rejects.toThrow(/is not paused/)
  await expect(resumed(null)).rejects.toThrow(RefusedChangeError)
  await expect(paused('p', new Date(Date.now() - 1000))).rejects.toThrow(/passed/)
  await expect(pause({ database, projects: new Set(['q']) }, 'p', null, BY)).rejects.toThrow(/PROJECTS/)
  expect(await database.prisma.auditEntry.count()).toBe(0)
  await paused(null)
  await expect(resumed('p')).rejects.toThrow(/with all others/)
  await paused('p')
  expect(await resumed('p')).toMatchObject({ reason: BY.reason })
})
