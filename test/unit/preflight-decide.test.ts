import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decide, isReady, type SeenServer, type ServerReading } from '../../src/preflight/decide.ts'
import type { LookedAtOrder } from '../../src/preflight/orders.sql.ts'

const IDS = ['a', 'b', 'c', 'd', 'e']

const serverOf = (id: string) =>
  fc.record({
    id: fc.constant(id),
    manageState: fc.constantFrom('ready', 'ready', 'in-use', 'maintain', 'a-new-one'),
    frozen: fc.boolean(),
  })

const servers = fc
  .tuple(...IDS.map((id) => fc.option(serverOf(id))))
  .map((seen) => seen.filter((server) => server !== null))

const reading: fc.Arbitrary<ServerReading> = fc
  .record({ seen: servers, taken: fc.integer({ min: 0, max: 3 }), listed: fc.boolean() })
  .map(({ seen, taken, listed }) => ({
    begunAt: '2026-11-26 10:00:00+00',
    ready: seen.filter(isReady).length,
    taken,
    servers: listed ? new Map(seen.map((server): [string, SeenServer] => [server.id, server])) : null,
  }))

const order: fc.Arbitrary<LookedAtOrder> = fc
  .record({
    selected: fc.option(
      fc.uniqueArray(fc.constantFrom(...IDS, 'unheard-of'), { minLength: 1, maxLength: 3 }),
    ),
    min: fc.integer({ min: 1, max: 6 }),
    more: fc.integer({ min: 0, max: 3 }),
    waits: fc.boolean(),
    acceptedBefore: fc.boolean(),
  })
  .map(({ selected, min, more, waits, acceptedBefore }) => ({
    id: 'x',
    projectId: 'p',
    requestId: 'r',
    version: 1,
    heldFor: null,
    servers: selected,
    minCount: selected?.length ?? min,
    maxCount: selected?.length ?? min + more,
    waits,
    acceptedBefore,
  }))

const orders = fc.array(order, { maxLength: 8 })
const free = { spoken: new Set<string>(), room: 100 }

/** What a person would say of one order alone. */
function isShort({ servers: selected, minCount }: LookedAtOrder, { ready, servers: seen }: ServerReading) {
  if (selected === null) return minCount > ready
  if (seen === null) return false
  return selected.some((id) => {
    const server = seen.get(id)
    return server === undefined || !isReady(server)
  })
}

describe('orders held against a reading', () => {
  test('end only for a shortage, by a reading that began after they were accepted, and unless they wait', () => {
    fc.assert(
      fc.property(orders, reading, (all, seen) => {
        for (const decision of decide(all, seen, free)) {
          const { order: one, does } = decision
          const short = isShort(one, seen)
          expect(does === 'fail').toBe(short && !one.waits && one.acceptedBefore)
          expect(decision.does === 'stay' && decision.why !== null).toBe(short && one.waits)
          if (short) expect(does).not.toBe('go')
        }
      }),
    )
  })

  test('never go for more servers together than there are', () => {
    fc.assert(
      fc.property(orders, reading, (all, seen) => {
        let left = seen.ready - seen.taken
        for (const { order: one, does } of decide(all, seen, free)) {
          if (does !== 'go') continue
          if (one.servers === null) expect(one.minCount).toBeLessThanOrEqual(left)
          left -= one.maxCount
        }
      }),
    )
  })

  test('never go for a server that another one goes for', () => {
    fc.assert(
      fc.property(orders, reading, fc.uniqueArray(fc.constantFrom(...IDS)), (all, seen, spoken) => {
        const going = decide(all, seen, { spoken: new Set(spoken), room: 100 }).filter(
          ({ does }) => does === 'go',
        )
        const named = [...spoken, ...going.flatMap(({ order: one }) => one.servers ?? [])]
        expect(new Set(named).size).toBe(named.length)
      }),
    )
  })

  test('go as far as there is room, and what fits alone goes alone', () => {
    fc.assert(
      fc.property(orders, reading, fc.nat(3), (all, seen, room) => {
        const going = decide(all, seen, { ...free, room }).filter(({ does }) => does === 'go')
        expect(going.length).toBeLessThanOrEqual(room)
        const calm = { ...seen, taken: 0 }
        for (const one of all) {
          const [decision] = decide([one], calm, free)
          expect(decision?.does === 'go').toBe(!isShort(one, calm))
        }
      }),
    )
  })

  test('are all decided on, in their order', () => {
    fc.assert(
      fc.property(orders, reading, (all, seen) => {
        expect(decide(all, seen, free).map((decision) => decision.order)).toEqual(all)
      }),
    )
  })
})
