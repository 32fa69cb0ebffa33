import { beforeEach, expect, test } from 'vitest'
import { cancelRequest } from '../../src/api/cancel.ts'
import { settleAttempts } from '../../src/attempt/settle-attempts.sql.ts'
import { settlementOf } from '../../src/attempt/settlement.ts'
import { promoteRetries } from '../../src/dispatch/due-sweeps.sql.ts'
import { parseHistory } from '../../src/request/history.ts'
import { clearTables, useTestDatabase } from '../support/store-database.ts'
import { storedEvents } from '../support/stored-events.ts'
import { attemptOf, claim, LOOK_TIMES, POLL_TIMES, placeRequests, setBucket } from './statement-world.ts'

const database = await useTestDatabase()
beforeEach(() => clearTables(database))

/** When the request was last changed by a clock that was an hour ahead of the database's present one. */
async function lastChangedAhead(): Promise<Date> {
  const [row] = await database.query<{ at: Date }>(
    `UPDATE provision_request SET updated_at = now() + interval '1 hour' RETURNING updated_at AS at`,
  )
  if (row === undefined) throw new Error('there is no request')
  return row.at
}

/** The times of a request that has ended, of its history, and of its last event. */
async function timesOf(id: string) {
  const row = await database.prisma.provisionRequest.findUniqueOrThrow({ where: { id } })
  const { updatedAt, completedAt, errorAt } = row
  const history = parseHistory([row.history]).slice(1)
  const { time, data } = JSON.parse((await storedEvents(database, id)).at(-1)?.body ?? '')
  return { updatedAt, completedAt, errorAt, history: history.map(({ at }) => new Date(at)), time, data }
}

test('what is claimed and refused has one time everywhere, and none before an earlier one', async () => {
  const [id = ''] = await placeRequests(database)
  const at = await lastChangedAhead()
  await setBucket(database, 'p', { tokens: 'capacity', due_at: 'now()' })
  const { requests, claimId } = await claim(database)
  const refused = {
    class: 'not_created',
    reason: 'refused',
    code: 'iMetal.0001',
    message: 'no',
    httpStatus: 400,
    retryAfterMs: null,
  } as const
  const rows = requests.map((request) => settlementOf(attemptOf(request, claimId), refused, LOOK_TIMES))
  await settleAttempts(database, rows, POLL_TIMES, [claimId])
  expect(await timesOf(id)).toMatchObject({
    updatedAt: at,
    completedAt: at,
    errorAt: at,
    history: [at, at],
    time: at.toISOString(),
    data: { error: { at: at.toISOString() } },
  })
})

test('so has what is put back and withdrawn', async () => {
  const [id = ''] = await placeRequests(database, { requestId: 'order-1' })
  await database.query('UPDATE provision_request SET queue_rank = NULL, retry_at = now()')
  const at = await lastChangedAhead()
  await promoteRetries(database, 10)
  await cancelRequest(database, { projectId: 'p', requestId: 'order-1' })
  expect(await timesOf(id)).toMatchObject({
    updatedAt: at,
    completedAt: at,
    errorAt: null,
    history: [at],
    time: at.toISOString(),
    data: { error: null },
  })
})
