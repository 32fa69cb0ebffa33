import { expect, test } from 'vitest'
import { ResolveError, resolveByHand } from '../../src/operations/resolve-by-hand.ts'
import {
  createReconcileWorld,
  POLL_TIMES,
  PROJECT,
  placeUncertain,
  useTestDatabase,
} from '../support/reconcile-world.ts'

const database = await useTestDatabase()

const BY = { who: 'key:console', reason: 'looked it up in the console' }
const RULES = { settleMs: 1000, maxAttempts: 3, pollTimes: POLL_TIMES }

test('a person adopts what the call created', async () => {
  const world = await createReconcileWorld(database)
  const { id, key } = await placeUncertain(world)
  const ids = world.creations().flatMap((call) => call.instance_ids)
  expect(await resolveByHand(database, key, { adopt: ids }, RULES, BY)).toMatchObject({
    state: 'provisioning',
  })
  const request = await world.request(id)
  expect(request).toMatchObject({ state: 'provisioning', createdCount: 1, attempt: { state: 'adopted' } })
  expect(request.attempt?.evidence).toHaveProperty('resolved_by_hand')
  expect((await world.events(key.requestId)).at(-1)?.kind).toBe('request.dispatched')
  expect(await database.prisma.auditEntry.findMany()).toMatchObject([
    {
      ...BY,
      verb: 'resolve',
      projectId: PROJECT,
      target: key.requestId,
      before: { state: 'uncertain', attempt: 1 },
      after: { state: 'provisioning', adopted: ids },
    },
  ])
})

test('a person finds that nothing was created', async () => {
  const world = await createReconcileWorld(database)
  const { id, key } = await placeUncertain(world)
  expect(await resolveByHand(database, key, 'void', RULES, BY)).toMatchObject({ state: 'queued' })
  expect(await world.request(id)).toMatchObject({ state: 'queued', attempt: { state: 'void' } })
})

test('what cannot be is refused, and changes nothing', async () => {
  const world = await createReconcileWorld(database)
  await world.place()
  await world.dispatch()
  const [theirs] = await database.prisma.instance.findMany()
  const { id, key } = await placeUncertain(world)
  const before = await world.request(id)
  const refuse = (verdict: Parameters<typeof resolveByHand>[2], of = key) =>
    expect(resolveByHand(database, of, verdict, RULES, BY)).rejects.toBeInstanceOf(ResolveError)
  await refuse({ adopt: [] })
  await refuse({ adopt: [theirs?.id ?? ''] })
  await refuse('void', { ...key, requestId: 'nothing' })
  await refuse({ adopt: ['one', 'two'] })
  expect(await world.request(id)).toEqual(before)
  expect(await database.prisma.auditEntry.count()).toBe(0)
  await resolveByHand(database, key, 'void', RULES, BY)
  await refuse('void')
})
