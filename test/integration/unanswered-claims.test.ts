import { pino } from 'pino'
import { expect, test } from 'vitest'
import { createPayingCredentials } from '../../src/budget/paying-credentials.ts'
import type { Database } from '../../src/database/database.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { runDispatcher } from '../support/dispatch-world.ts'
import { eventually } from '../support/eventually.ts'
import { createReconcileWorld } from '../support/reconcile-world.ts'
import { useTestDatabase } from '../support/store-database.ts'

const database = await useTestDatabase()

const isClaim = (text: string) => text.includes('due_buckets')

interface Loss {
  /** The first claim is carried out only after this; without it at once. */
  late?: Promise<unknown>
  /** The claims after it wait for this. */
  gate?: () => Promise<unknown>
}

/** The database, but for the first claim: its answer is lost. */
function losingOneClaim({ late, gate }: Loss = {}): { lossy: Database; taken: Promise<unknown> } {
  const taken = Promise.withResolvers<unknown>()
  let lost = false
  const lossy: Database = {
    ...database,
    query: async <Row>(text: string, ...values: unknown[]): Promise<Row[]> => {
      if (isClaim(text) && !lost) {
        lost = true
        const claim = Promise.resolve(late).then(() => database.query<{ id: string | null }>(text, ...values))
        taken.resolve(claim.then((rows) => rows.flatMap((row) => row.id ?? [])))
        if (late === undefined) await claim
        throw new Error('Connection terminated unexpectedly')
      }
      if (isClaim(text)) await gate?.()
      return database.query<Row>(text, ...values)
    },
  }
  return { lossy, taken: taken.promise }
}

test('a claim that was committed and never answered goes back to the queue, and is then carried out', async () => {
  const world = await createReconcileWorld(database)
  const { id } = await world.place()
  const { lossy, taken } = losingOneClaim()
  await runDispatcher(world, { database: lossy })
  expect(await taken).toEqual([id])
  await eventually(async () => expect((await world.request(id)).state).toBe('provisioning'))
  const request = await world.request(id)
  expect(request).toMatchObject({ attempts: 1, attemptNumber: 2 })
  expect(request.attemptRecords).toMatchObject([
    { state: 'not_created', errorCode: 'claim_unanswered' },
    { state: 'created' },
  ])
  expect(request.entries.map(({ cause }) => cause)).toEqual([
    'accepted',
    'claimed',
    'not_sent',
    'claimed',
    'created',
  ])
  await eventually(async () => expect(await database.prisma.claim.count()).toBe(0))
  expect(world.simulator.ledger.calls({ operation: 'RunInstances' })).toHaveLength(1)
})

test('its tokens go back too, so that they are not the next ones that the request waits for', async () => {
  const world = await createReconcileWorld(database)
  const { id } = await world.place()
  await database.query('UPDATE rate_bucket SET tokens = 1, capacity = 1, refill_per_second = 0.001')
  await database.query(
    `INSERT INTO credential_bucket (credential_id, refill_per_second, capacity, tokens, refilled_at)
     VALUES ('none', 0.001, 1, 1, now())`,
  )
  const logger = pino({ level: 'silent' })
  const credentialOf = () => 'none'
  const credentials = createPayingCredentials({ database, credentialOf, metrics: createMetrics(), logger })
  const { lossy, taken } = losingOneClaim()
  await runDispatcher(world, { database: lossy, credentials })
  expect(await taken).toEqual([id])
  await eventually(async () => expect((await world.request(id)).state).toBe('provisioning'))
})

test('also when it is committed only after the loss was noticed', async () => {
  const world = await createReconcileWorld(database)
  const late = Promise.withResolvers<void>()
  let gate = Promise.withResolvers<void>()
  gate.resolve()
  const { lossy, taken } = losingOneClaim({ late: late.promise, gate: () => gate.promise })
  await runDispatcher(world, { database: lossy })
  const { id: first } = await world.place()
  await eventually(async () => expect((await world.request(first)).state).toBe('provisioning'))

  gate = Promise.withResolvers<void>()
  const { id: second } = await world.place()
  late.resolve()
  expect(await taken).toEqual([second])
  expect((await world.request(second)).state).toBe('dispatching')
  gate.resolve()
  await eventually(async () => expect((await world.request(second)).state).toBe('provisioning'))
  expect((await world.request(second)).attempts).toBe(1)
  expect(world.creations()).toHaveLength(2)
})
