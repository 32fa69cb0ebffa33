import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type AppWorld, createAppWorld } from '../support/app-world.ts'
import { eventually } from '../support/eventually.ts'
import { buildRequest } from '../support/request-builder.ts'

let world: AppWorld
beforeAll(async () => {
  world = await createAppWorld()
  await world.startApp()
})
afterAll(() => world.close())

/** Resolves once nothing is left on the request queue and nothing is in anybody's hands. */
const taken = () =>
  eventually(async () => {
    expect(await world.broker.depth('provision.requests')).toBe(0)
    expect(await world.metric('intake_unsettled')).toBe(0)
  })

test('the same message again, at once and later, is one order', async () => {
  const message = buildRequest({ project_id: world.newProject(), request_id: 'twice' })
  const key = { projectId: message.project_id, requestId: 'twice' }
  await world.publishAll([message, message, message])
  await world.allEventsOf(key)
  const before = await world.statusOf(key)
  await world.publish(message)
  await taken()
  expect(await world.statusOf(key)).toEqual(before)
  expect(world.calls(key.projectId)).toHaveLength(1)
  expect(world.kindsOf(key).filter((kind) => kind === 'request.accepted')).toHaveLength(1)
})

test('the same order in other words is a duplicate', async () => {
  const project_id = world.newProject()
  const key = await world.order({ project_id, request_id: 'once', spec: { max_count: 1 } })
  await world.allEventsOf(key)
  const { spec } = buildRequest()
  const said = { spec: { min_count: 1, ...spec, description: '' }, priority: 0, project_id }
  await world.publish(
    { specversion: '1.0', id: 'once', source: '/shop', type: 'ordered', data: said },
    { contentType: 'application/cloudevents+json' },
  )
  await taken()
  expect(world.calls(project_id)).toHaveLength(1)
  expect(world.deadLetters().filter((letter) => letter.content.body.includes(`"${project_id}"`))).toEqual([])
})

test.each([['another spec', { spec: { max_count: 2 } }, '']])(
  'the same id with %s is a dead letter, and changes nothing',
  async (_, change, path) => {
    const project_id = world.newProject()
    const key = await world.order({ project_id, request_id: 'taken' })
    await world.allEventsOf(key)
    const before = await world.statusOf(key)
    const messageId = `conflict-${project_id}`
    await world.order({ project_id, request_id: 'taken', ...change }, { messageId })
    expect(await world.deadLetterOf(messageId)).toMatchObject({ code: 'idempotency_conflict', paths: [path] })
    await eventually(() => expect(world.kindsOf(key).at(-1)).toBe('request.rejected'))
    expect(await world.statusOf(key)).toEqual(before)
    expect(world.calls(project_id)).toHaveLength(1)
  },
)

const KEPT = `
  SELECT password_digest IS NOT NULL AS digest, password_trace, sealed_password FROM provision_request
  WHERE project_id = $1`

test('another password is a conflict for as long as the first one is sealed, and then a duplicate', async () => {
  const project_id = world.newProject()
  const fault = { kind: 'hold', operation: 'RunInstances', count: 1 } as const
  const hold = world.simulator.faults.add({ ...fault, project: project_id })
  const key = await world.order({ project_id, request_id: 'waiting' })
  await world.simulator.faults.struck(hold.id, 1)
  const messageId = `other-${project_id}`
  const other = { project_id, request_id: 'waiting', spec: { password: 'Another-Passw0rd!' } }
  await world.order(other, { messageId })
  const conflict = { code: 'idempotency_conflict', paths: ['spec.password'] }
  expect(await world.deadLetterOf(messageId)).toMatchObject(conflict)
  world.simulator.faults.remove(hold.id)
  await world.allEventsOf(key)

  const letters = world.deadLetters().length
  await world.order(other)
  await taken()
  expect(world.deadLetters()).toHaveLength(letters)
  expect(await world.database.query(KEPT, [project_id])).toEqual([
    { digest: false, password_trace: null, sealed_password: null },
  ])
})

test('with keys for digests, another password stays a conflict', async () => {
  const settings = { DIGEST_KEYS: `d:${randomBytes(32).toString('base64')}` }
  await using digesting = await createAppWorld({ settings })
  await digesting.startApp()
  const project_id = digesting.newProject()
  const key = await digesting.order({ project_id, request_id: 'kept' })
  await digesting.allEventsOf(key)
  const other = { project_id, request_id: 'kept', spec: { password: 'Another-Passw0rd!' } }
  await digesting.order(other, { messageId: 'other' })
  const conflict = { code: 'idempotency_conflict', paths: ['spec.password'] }
  expect(await digesting.deadLetterOf('other')).toMatchObject(conflict)
  expect(await digesting.database.query(KEPT, [project_id])).toEqual([
    { digest: true, password_trace: null, sealed_password: null },
  ])
})

test('the same id in two projects is two orders', async () => {
  const keys = [
    await world.order({ project_id: world.newProject(), request_id: 'shared' }),
    await world.order({ project_id: world.newProject(), request_id: 'shared' }),
  ]
  for (const key of keys) await world.allEventsOf(key)
  for (const { projectId } of keys) expect(world.creations(projectId)).toHaveLength(1)
})

test('one bad message among 500 leaves 499 stored', async () => {
  const project_id = world.newProject()
  const messages = Array.from({ length: 500 }, (_, n) =>
    buildRequest({ project_id, request_id: `batch-${n}`, spec: n === 250 ? { max_count: 0 } : {} }),
  )
  await world.publishAll(messages)
  await eventually(async () => {
    const [row] = await world.database.query<{ stored: number }>(
      'SELECT count(*)::int AS stored FROM provision_request WHERE project_id = $1',
      [project_id],
    )
    expect(row?.stored).toBe(499)
  })
  await taken()
  const letters = world.deadLetters().filter((letter) => letter.content.body.includes(`"${project_id}"`))
  expect(letters.map(({ code, paths }) => ({ code, paths }))).toEqual([
    { code: 'invalid_request', paths: ['spec.max_count'] },
  ])
  expect((await world.get(`/v1/${project_id}/provision-requests/batch-250`)).status).toBe(404)
})
