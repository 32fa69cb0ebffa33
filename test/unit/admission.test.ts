import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { keysAdmitted, keysBeyond } from '../../src/intake/admission.ts'
import type { Entry } from '../../src/intake/request-writer.ts'
import { createRoomMemory } from '../../src/intake/room-memory.ts'
import { requestKey } from '../../src/request/request-key.ts'
import { buildDelivery, createIntakeHarness, databaseError, reasonOf } from '../support/intake-harness.ts'
import { buildRequest } from '../support/request-builder.ts'

const order = (project_id: string, request_id: string, deliveryCount = 0, changes: object = {}) =>
  buildDelivery(buildRequest({ project_id, request_id, ...changes }), { deliveryCount })

describe('a list of projects', () => {
  const admission = { projects: new Set(['good']), maxOpen: null }

  test('lets in what it names, at no cost, and answers the others with a dead letter and its event', async () => {
    const { intake, rows, rejections, deadLetters, log } = createIntakeHarness({ admission })
    const verdicts = await Promise.all([
      intake.handle(order('good', 'a')),
      intake.handle(order('Good', 'b')),
      intake.handle(order('other', 'c')),
    ])
    expect(verdicts).toEqual(['ack', 'ack', 'ack'])
    expect([...rows.keys()]).toEqual(['good/a'])
    expect(deadLetters.map(reasonOf)).toEqual(
      Array(2).fill({ code: 'project_not_allowed', paths: ['project_id'] }),
    )
    expect(rejections.map(({ projectId, code }) => [projectId, code]).toSorted()).toEqual([
      ['Good', 'project_not_allowed'],
      ['other', 'project_not_allowed'],
    ])
    expect(log).not.toContain('count good')
  })

  test('that became shorter leaves the copies of accepted orders duplicates, and others conflicts', async () => {
    const { intake, rows, deadLetters } = createIntakeHarness({ admission })
    const before = createIntakeHarness()
    await before.intake.handle(order('other', 'a'))
    // The digests of another harness have other keys: the copy is told by its content.
    for (const [key, row] of before.rows) rows.set(key, row)
    await intake.handle(order('other', 'a', 0, { priority: 3 }))
    expect(deadLetters.map(reasonOf)).toEqual([{ code: 'idempotency_conflict', paths: [''] }])
  })
})

describe('a cap', () => {
  const admission = { projects: '*', maxOpen: 3 } as const

  test('lets in the first ones, across batches, and tells the others that the backlog is full', async () => {
    const { intake, rows, deadLetters, metrics } = createIntakeHarness({ admission, batchSize: 2 })
    const ids = ['a', 'b', 'c', 'd', 'e']
    await Promise.all(ids.map((id) => intake.handle(order('p', id))))
    expect([...rows.keys()]).toEqual(['p/a', 'p/b', 'p/c'])
    expect(deadLetters.map(reasonOf)).toEqual(Array(2).fill({ code: 'backlog_full', paths: ['project_id'] }))
    expect((await metrics.intake.deadLetters.get()).values).toMatchObject([
      { labels: { code: 'backlog_full' }, value: 2 },
    ])
  })

  test('leaves duplicates duplicates, before and beside new orders, also those that came back', async () => {
    const { intake, rows, deadLetters } = createIntakeHarness({ admission })
    for (const id of ['a', 'b']) await intake.handle(order('p', id))
    await Promise.all(['a', 'b', 'a', 'c', 'c', 'b'].map((id) => intake.handle(order('p', id))))
    expect([...rows.keys()]).toEqual(['p/a', 'p/b', 'p/c'])
    await Promise.all(['a', 'c'].map((id) => intake.handle(order('p', id, 5))))
    expect(deadLetters).toEqual([])
    await intake.handle(order('p', 'd', 5))
    expect(deadLetters.map((letter) => reasonOf(letter).code)).toEqual(['backlog_full'])
  })

  test('of one project does not touch the others of its batch', async () => {
    const { intake, rows, deadLetters } = createIntakeHarness({ admission })
    const orders = ['a', 'b', 'c', 'd'].flatMap((id) => [order('p', id), order('q', id)])
    await Promise.all([...orders.slice(0, 7), order('r', 'a')].map((one) => intake.handle(one)))
    expect([...rows.keys()].toSorted()).toEqual(['p/a', 'p/b', 'p/c', 'q/a', 'q/b', 'q/c', 'r/a'])
    expect(deadLetters).toHaveLength(1)
  })

  test('is found again once the database is back', async () => {
    const { intake, hooks, rows, log } = createIntakeHarness({ admission })
    let failures = 2
    hooks.countOpen = async () => {
      if (failures-- > 0) throw databaseError()
    }
    expect(await intake.handle(order('p', 'a'))).toBe('ack')
    expect([...rows.keys()]).toEqual(['p/a'])
    expect(log).toContain('pause')
  })

  test('gives deliveries back when the stop comes first', async () => {
    const { intake, hooks } = createIntakeHarness({ admission })
    hooks.countOpen = () => Promise.reject(databaseError())
    const verdict = intake.handle(order('p', 'a'))
    await intake.stop()
    expect(await verdict).toBe('requeue')
  })

  test('that is far costs one count in a while', async () => {
    const { intake, log } = createIntakeHarness({ admission: { projects: '*', maxOpen: 1_000_000 } })
    for (const id of ['a', 'b', 'c']) await intake.handle(order('p', id))
    expect(log.filter((line) => line.startsWith('count'))).toEqual(['count p'])
  })
})

test('what a count tells lasts a second far from the cap, and at the cap as long as the count was cheap', () => {
  let now = 0
  const memory = createRoomMemory(() => now)
  memory.note('far', 10_000, 5)
  memory.note('near', 9_999, 5)
  memory.note('full', 0, 5)
  const state = () => ['far', 'near', 'full'].map((id) => [memory.isFree(id), memory.isFull(id)])
  expect(state()).toEqual([
    [true, false],
    [false, false],
    [false, true],
  ])
  now = 50
  expect(state()[2]).toEqual([false, false])
  now = 1000
  expect(state()[0]).toEqual([false, false])
})

test('of any entries, as many new keys are admitted as there is room for, and all that are taken', () => {
  const entry = fc
    .record({
      projectId: fc.constantFrom('p', 'q', 'r'),
      requestId: fc.constantFrom('1', '2', '3', '4', '5'),
    })
    .map((row) => ({ row }) as unknown as Entry)
  const rooms = fc.record({ p: fc.nat(4), q: fc.nat(4), r: fc.constant(Number.POSITIVE_INFINITY) })
  fc.assert(
    fc.property(fc.array(entry), rooms, fc.func(fc.boolean()), (entries, roomOf, isTaken) => {
      const room = new Map(Object.entries(roomOf))
      const keys = new Set(entries.map(({ row }) => requestKey(row)))
      const beyond = keysBeyond(entries, room).map(({ row }) => requestKey(row))
      const taken = new Set(beyond.filter(isTaken))
      const admitted = keysAdmitted(entries, room, taken)
      for (const projectId of ['p', 'q', 'r']) {
        const own = [...keys].filter((key) => key.startsWith(projectId))
        const fresh = own.filter((key) => !taken.has(key))
        expect(own.filter((key) => taken.has(key) && !admitted.has(key))).toEqual([])
        expect(fresh.filter((key) => admitted.has(key))).toEqual(fresh.slice(0, room.get(projectId)))
      }
    }),
  )
})
