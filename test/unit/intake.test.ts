import { describe, expect, test } from 'vitest'
import { eventSchema } from '../../src/contracts/event-schemas.ts'
import { requestAccepted } from '../../src/contracts/events.ts'
import { requestKey } from '../../src/request/request-key.ts'
import { createPasswordDigester } from '../../src/secrets/digest.ts'
import { buildDelivery, createIntakeHarness, databaseError, reasonOf } from '../support/intake-harness.ts'
import { buildRequest, CANARY } from '../support/request-builder.ts'

const order = (id: string, changes: Parameters<typeof buildRequest>[0] = {}) =>
  buildDelivery(buildRequest({ request_id: id, ...changes }))

describe('a valid message', () => {
  test('is stored whole and sealed, with what its events carry, and then acknowledged', async () => {
    const { intake, rows, sealer, log } = createIntakeHarness()
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    const properties = { correlationId: 'c-1', headers: { traceparent, tracestate: 'a=1' } }
    const verdict = await intake.handle(
      buildDelivery(buildRequest({ priority: 4, spec: { max_count: 2 } }), { properties }),
    )
    expect(verdict).toBe('ack')
    expect(log).toEqual(['insert 1', 'stored 1'])
    const row = rows.get('project-1/order-1')
    expect(row).toMatchObject({
      projectId: 'project-1',
      requestId: 'order-1',
      priority: 4,
      minCount: 1,
      maxCount: 2,
      deadline: null,
      correlationId: 'c-1',
      traceparent,
      tracestate: 'a=1',
    })
    const event = row && requestAccepted(row, { version: 1, at: 0 }, { state: 'queued' })
    expect(event).toMatchObject({ routingKey: 'request.accepted.project-1', correlationId: 'c-1' })
    expect(eventSchema('request.accepted').parse(JSON.parse(event?.body ?? ''))).toMatchObject({
      traceparent,
      data: { state: 'queued' },
    })
    expect(sealer.open(row?.sealedPassword ?? Buffer.alloc(0), 'project-1/order-1')).toBe(CANARY)
    expect(JSON.stringify({ ...row, sealedPassword: undefined })).not.toContain(CANARY)
  })

  test('ignores tracing headers that are no plain text', async () => {
    const { intake, rows } = createIntakeHarness()
    const headers = { traceparent: { a: 1 }, tracestate: 'a\0b' }
    expect(await intake.handle(buildDelivery(buildRequest(), { properties: { headers } }))).toBe('ack')
    expect(rows.get('project-1/order-1')).toMatchObject({ traceparent: null, tracestate: null })
  })
})

describe('batches', () => {
  test('a burst of one turn is one insert, up to the batch size', async () => {
    const { intake, batches } = createIntakeHarness({ batchSize: 50 })
    const verdicts = await Promise.all(
      Array.from({ length: 120 }, (_, index) => intake.handle(order(`r-${index}`))),
    )
    expect(verdicts).toEqual(Array(120).fill('ack'))
    expect(batches).toEqual([50, 50, 20])
  })

  test('at most two inserts are under way, and what comes meanwhile leaves together', async () => {
    const { intake, hooks, batches } = createIntakeHarness()
    const release: (() => void)[] = []
    hooks.insertRequests = () => new Promise((resolve) => release.push(resolve))
    const verdicts = [intake.handle(order('r-1'))]
    await expect.poll(() => release.length).toBe(1)
    verdicts.push(intake.handle(order('r-2')))
    await expect.poll(() => release.length).toBe(2)
    verdicts.push(intake.handle(order('r-3')), intake.handle(order('r-4')))
    for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate)
    expect(release.length).toBe(2)
    release[0]?.()
    await expect.poll(() => release.length).toBe(3)
    for (const resolve of release) resolve()
    expect(await Promise.all(verdicts)).toEqual(['ack', 'ack', 'ack', 'ack'])
    expect(batches.toSorted()).toEqual([1, 1, 2])
  })

  test('one bad message among 500 does not harm the others', async () => {
    const { intake, rows, deadLetters } = createIntakeHarness()
    const verdicts = await Promise.all(
      Array.from({ length: 500 }, (_, index) =>
        intake.handle(order(`r-${index}`, index === 77 ? { extra: 1 } : {})),
      ),
    )
    expect(verdicts).toEqual(Array(500).fill('ack'))
    expect(rows.size).toBe(499)
    expect(deadLetters.map(reasonOf)).toEqual([{ code: 'invalid_request', paths: ['extra'] }])
  })

  test('a row that the database refuses is found and dead-lettered, the others are stored', async () => {
    const { intake, hooks, rows, deadLetters, rejections } = createIntakeHarness()
    hooks.insertRequests = async (batch) => {
      if (batch.some(({ requestId }) => ['r-3', 'r-90'].includes(requestId))) throw databaseError('22P05')
    }
    const verdicts = await Promise.all(
      Array.from({ length: 100 }, (_, index) => intake.handle(order(`r-${index}`))),
    )
    expect(verdicts).toEqual(Array(100).fill('ack'))
    expect(rows.size).toBe(98)
    expect(deadLetters.map(reasonOf)).toEqual(Array(2).fill({ code: 'invalid_request', paths: [''] }))
    expect(rejections.map(requestKey).toSorted()).toEqual(['project-1/r-3', 'project-1/r-90'])
  })
})

describe('a key that is taken', () => {
  const same = order('r-1')
  const other = order('r-1', { spec: { name: 'other' } })
  const otherPassword = order('r-1', { spec: { password: 'Another-Passw0rd' } })

  test.each([
    ['in one batch', true],
    ['one after the other', false],
  ])('the same content is acknowledged, other content is a conflict: %s', async (_, together) => {
    const { intake, rows, deadLetters, rejections, metrics } = createIntakeHarness()
    const deliveries = [order('r-1'), same, other, otherPassword, order('r-2')]
    const verdicts = together ? await Promise.all(deliveries.map(intake.handle)) : []
    if (!together) for (const delivery of deliveries) verdicts.push(await intake.handle(delivery))
    expect(verdicts).toEqual(Array(5).fill('ack'))
    expect([...rows.keys()]).toEqual(['project-1/r-1', 'project-1/r-2'])
    const reasons = deadLetters.map(reasonOf).toSorted((a, b) => (a.paths < b.paths ? -1 : 1))
    expect(reasons).toEqual([
      { code: 'idempotency_conflict', paths: [''] },
      { code: 'idempotency_conflict', paths: ['spec.password'] },
    ])
    expect(rejections).toHaveLength(2)
    const { values } = await metrics.intake.messages.get()
    expect(Object.fromEntries(values.map(({ labels, value }) => [labels.result, value]))).toMatchObject({
      stored: 2,
      duplicate: 1,
      dead_lettered: 2,
    })
  })

  test('whose password is shredded is told by its content alone, unless digests are kept', async () => {
    const keys = [{ id: 'd', key: Buffer.alloc(32, 1) }]
    for (const passwordDigester of [undefined, createPasswordDigester(keys)]) {
      const { intake, shredded, deadLetters } = createIntakeHarness(passwordDigester && { passwordDigester })
      await intake.handle(order('r-1'))
      shredded.add('project-1/r-1')
      await intake.handle(otherPassword)
      const expected = passwordDigester ? [{ code: 'idempotency_conflict', paths: ['spec.password'] }] : []
      expect(deadLetters.map(reasonOf)).toEqual(expected)
    }
  })

  test('a refused first of its key does not decide for others', async () => {
    const { intake, hooks, rows, deadLetters } = createIntakeHarness()
    hooks.insertRequests = async (batch) => {
      if (batch.some(({ spec }) => spec.name === 'web')) throw databaseError('22P05')
    }
    expect(await Promise.all([same, other, same].map(intake.handle))).toEqual(['ack', 'ack', 'ack'])
    expect(rows.get('project-1/r-1')?.spec.name).toBe('other')
    expect(deadLetters).toHaveLength(2)
  })
})

describe('a message that keeps coming back', () => {
  test('is dead-lettered at the delivery limit, sound or not', async () => {
    const { intake, deadLetters, rows, rejections } = createIntakeHarness({ deliveryLimit: 5 })
    expect(await intake.handle(buildDelivery(buildRequest(), { deliveryCount: 4 }))).toBe('ack')
    expect(rows.size).toBe(1)
    const returned = buildDelivery(buildRequest({ request_id: 'r-2' }), { deliveryCount: 5 })
    expect(await intake.handle(returned)).toBe('ack')
    expect(rows.size).toBe(1)
    expect(deadLetters.map(reasonOf)).toEqual([{ code: 'delivery_limit', paths: [''] }])
    expect(rejections).toHaveLength(1)
  })

  test('is taken alone from the second return on', async () => {
    const { intake, batches } = createIntakeHarness()
    await Promise.all(
      [0, 1, 2, 3].map((deliveryCount) =>
        intake.handle(buildDelivery(buildRequest({ request_id: `r-${deliveryCount}` }), { deliveryCount })),
      ),
    )
    expect(batches.toSorted()).toEqual([1, 1, 2])
  })
})
