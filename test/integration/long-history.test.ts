import { beforeEach, expect, test } from 'vitest'
import type { Outcome } from '../../src/attempt/outcome.ts'
import { type SettleRow, settleAttempts } from '../../src/attempt/settle-attempts.sql.ts'
import { changeRequests } from '../../src/request/change-requests.sql.ts'
import { parseHistory } from '../../src/request/history.ts'
import { eventually } from '../support/eventually.ts'
import { clearTables, useTestDatabase } from '../support/store-database.ts'
import { type Claimed, claimNext, POLL_TIMES, placeRequests, settlementFor } from './statement-world.ts'

const database = await useTestDatabase()
beforeEach(() => clearTables(database))

const THROTTLED: Outcome = {
  class: 'not_created',
  reason: 'throttled',
  code: 'APIGW.0308',
  message: 'slow down',
  httpStatus: 429,
  retryAfterMs: null,
}
const UNKNOWN: Outcome = { ...THROTTLED, class: 'unknown', reason: 'timeout' }

const settle = (row: SettleRow) => settleAttempts(database, [row], POLL_TIMES)
const note = (sql: Parameters<typeof changeRequests>[0], { id, version }: Claimed) =>
  changeRequests(sql, [{ id, version, to: null, change: { cause: 'noted' } }])

/** A request with a history of this length, as if it had been throttled all week; claimed. */
async function claimWithHistory(bytes: number): Promise<Claimed> {
  await placeRequests(database)
  await database.query(
    `UPDATE provision_request SET version = 1 + past.n, history = history || past.lines
     FROM (
       SELECT count(*)::int AS n, string_agg('{"v":' || v || ',"at":1,"cause":"throttled"}' || E'\\n', '' ORDER BY v) AS lines
       FROM generate_series(2, 1 + $1::int / 40) v
     ) past`,
    bytes,
  )
  return claimNext(database)
}

async function readHistory() {
  const [request] = await database.prisma.provisionRequest.findMany()
  if (request === undefined) throw new Error('there is no request')
  const parts = await database.prisma.historyPart.findMany({ orderBy: { version: 'asc' } })
  const entries = parseHistory([...parts.map((part) => part.history), request.history])
  // Whatever is parted from the row, no version is missing, and none comes twice.
  expect(entries.map(({ v }) => v)).toEqual(Array.from({ length: request.version }, (_, n) => n + 1))
  return {
    parted: parts.map(({ version }) => version),
    kept: parseHistory([request.history]).length,
    causes: entries.map(({ cause }) => cause),
  }
}

test('a history that has grown long leaves the row when the request goes back to the queue', async () => {
  const claimed = await claimWithHistory(12_000)
  expect(claimed.historyBytes).toBeGreaterThan(8192)
  await settle(settlementFor(claimed, THROTTLED))
  expect(await readHistory()).toMatchObject({ parted: [claimed.version], kept: 1 })
})

test.each<[string, Outcome, number]>([
  ['when the request does not go back', UNKNOWN, 12_000],
  ['while it is not that long', THROTTLED, 4000],
])('it stays %s', async (_, outcome, bytes) => {
  const claimed = await claimWithHistory(bytes)
  await settle(settlementFor(claimed, outcome))
  expect(await readHistory()).toMatchObject({ parted: [], kept: claimed.version + 1 })
})

test('it stays together when something was noted since the claim, until the next time', async () => {
  const claimed = await claimWithHistory(12_000)
  await note(database, claimed)
  await settle(settlementFor(claimed, THROTTLED))
  const whole = await readHistory()
  expect(whole).toMatchObject({ parted: [], kept: claimed.version + 2 })
  expect(whole.causes.slice(-2)).toEqual(['noted', 'throttled'])
  const again = await claimNext(database)
  await settle(settlementFor(again, THROTTLED))
  expect(await readHistory()).toMatchObject({ parted: [again.version], kept: 1 })
})

test('also when that is committed while the settlement waits for the row', async () => {
  const claimed = await claimWithHistory(12_000)
  let settling: Promise<unknown> = Promise.resolve()
  await database.transaction(async (sql) => {
    await note({ throughPrisma: sql }, claimed)
    settling = settle(settlementFor(claimed, THROTTLED))
    await eventually(async () => {
      const [row] = await database.query<{ waiting: number }>(
        `SELECT count(*)::int AS waiting FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      )
      expect(row?.waiting).toBe(1)
    })
  })
  expect(await settling).toHaveLength(1)
  const whole = await readHistory()
  expect(whole).toMatchObject({ parted: [], kept: claimed.version + 2 })
  expect(whole.causes.slice(-2)).toEqual(['noted', 'throttled'])
})
