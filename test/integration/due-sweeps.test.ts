import { pino } from 'pino'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { findExpired } from '../../src/dispatch/due-sweeps.sql.ts'
import { createSweeper, EXPIRY } from '../../src/dispatch/sweeper.ts'
import { changeRequests } from '../../src/request/change-requests.sql.ts'
import { parseHistory } from '../../src/request/history.ts'
import { eventually } from '../support/eventually.ts'
import { clearTables, useTestDatabase } from '../support/store-database.ts'
import { storedEvents } from '../support/stored-events.ts'
import { tirelessReplica } from '../support/tireless-replica.ts'
import { claim, placeRequests, setBucket } from './statement-world.ts'

const database = await useTestDatabase()
beforeEach(() => clearTables(database))

const HOUR = 3_600_000

async function runSweeper(): Promise<void> {
  const logger = pino({ level: 'silent' })
  const sweeper = createSweeper({ database, replica: tirelessReplica(), logger, onMoved: () => undefined })
  onTestFinished(() => sweeper.stop())
  await sweeper.start()
}

/** A queued request whose deadline has just passed. */
async function placeLate(projectId = 'p'): Promise<string> {
  const [id = ''] = await placeRequests(database, { projectId, deadline: new Date(Date.now() + HOUR) })
  await database.query(
    `UPDATE provision_request SET deadline = now() - interval '1 second', expires_at = now() - interval '1 second' WHERE id = $1::uuid`,
    id,
  )
  return id
}

const read = (id: string) => database.prisma.provisionRequest.findUniqueOrThrow({ where: { id } })

test('a request whose deadline passes in the queue expires, with its error, history and event', async () => {
  const [early = ''] = await placeRequests(database, { deadline: new Date(Date.now() + HOUR) })
  const id = await placeLate()
  await runSweeper()
  const request = await eventually(async () => {
    const row = await read(id)
    expect(row.state).toBe('expired')
    return row
  })
  expect(request).toMatchObject({
    previousState: 'queued',
    version: 2,
    errorCode: 'deadline_passed',
    exceptionState: 'expired',
    sealedPassword: null,
    queueRank: null,
    expiresAt: null,
    completedAt: request.updatedAt,
    errorAt: request.updatedAt,
  })
  const { error } = EXPIRY.change
  expect(parseHistory([request.history]).at(-1)).toEqual({
    v: 2,
    at: request.updatedAt.getTime(),
    to: 'expired',
    cause: 'deadline_passed',
    error,
  })
  const event = (await storedEvents(database, id)).at(-1)
  expect(JSON.parse(event?.body ?? '')).toMatchObject({
    type: 'provisioner.request.completed',
    data: { state: 'expired', counts: { min: 1, max: 1, created: 0 }, error },
  })
  expect((await read(early)).state).toBe('queued')
})

test('so does one that waits for a retry', async () => {
  const id = await placeLate()
  await database.query(`UPDATE provision_request SET queue_rank = NULL, retry_at = now() + interval '1 hour'`)
  await runSweeper()
  await eventually(async () => expect((await read(id)).state).toBe('expired'))
  expect((await read(id)).retryAt).toBeNull()
})

test('a request that is claimed after it was found late does not expire', async () => {
  const id = await placeLate()
  const due = await findExpired(database, 10)
  expect(due).toEqual([{ id, version: 1 }])
  // The claim came first, on a clock that stood before the deadline.
  await database.query(
    `UPDATE provision_request SET deadline = now() + interval '1 hour', expires_at = now() + interval '1 hour'`,
  )
  await setBucket(database, 'p', { tokens: 'capacity', due_at: 'now()' })
  expect((await claim(database)).requests).toHaveLength(1)
  expect(await changeRequests(database, [{ id, version: 1, ...EXPIRY }])).toEqual(new Set())
  expect(await read(id)).toMatchObject({ state: 'dispatching', version: 2 })
})

test('two sweeps at once end each request once', async () => {
  const ids = await Promise.all(Array.from({ length: 30 }, (_, n) => placeLate(`p${n % 3}`)))
  const rows = ids.map((id) => ({ id, version: 1, ...EXPIRY }))
  const changed = await Promise.all([
    changeRequests(database, rows),
    changeRequests(database, rows.toReversed()),
    changeRequests(database, rows),
  ])
  expect(changed.flatMap((set) => [...set]).toSorted()).toEqual(ids.toSorted())
  const ends = (await storedEvents(database)).filter(({ kind }) => kind === 'request.completed')
  expect(ends).toHaveLength(30)
})

test('a request whose retry is due takes its old place in the queue, and its project is woken', async () => {
  const [id = ''] = await placeRequests(database, { priority: 2 })
  const { queueRank } = await read(id)
  await setBucket(database, 'p', { due_at: 'NULL' })
  await database.query(
    `UPDATE provision_request SET queue_rank = NULL, retry_at = now() - interval '1 second'`,
  )
  await runSweeper()
  await eventually(async () => expect(await read(id)).toMatchObject({ queueRank, retryAt: null }))
  await eventually(async () => {
    const bucket = await database.prisma.rateBucket.findUniqueOrThrow({ where: { projectId: 'p' } })
    expect(bucket.dueAt).not.toBeNull()
  })
})
