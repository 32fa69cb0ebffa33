import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createOrderedLanes } from '../../src/outbox/ordered-lanes.ts'
import { createReadCursor } from '../../src/outbox/read-cursor.ts'

interface Item {
  key: number
  n: number
}

describe('ordered lanes', () => {
  it('run one key in order and one at a time, whatever is postponed', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 30 }),
        fc.infiniteStream(fc.boolean()),
        async (scheduler, keys, failures) => {
          const done: Item[] = []
          const running = new Set<number>()
          const lanes = createOrderedLanes<Item>({
            keyOf: ({ key }) => String(key),
            run: (item, settle) => {
              expect(running.has(item.key)).toBe(false)
              running.add(item.key)
              void scheduler.schedule(Promise.resolve()).then(() => {
                running.delete(item.key)
                if (failures.next().value === true) return settle('postponed')
                done.push(item)
                settle('done')
              })
            },
          })
          keys.forEach((key, n) => {
            lanes.add({ key, n })
          })
          while (done.length < keys.length) {
            lanes.resume()
            await scheduler.waitIdle()
          }
          await lanes.finish()
          for (const key of new Set(keys)) {
            const order = done.filter((item) => item.key === key).map((item) => item.n)
            expect(order).toEqual(order.toSorted((a, b) => a - b))
          }
        },
      ),
      { numRuns: 50 },
    )
  })

  it('keep an item that is postponed, and those behind it, until they are resumed', () => {
    const ran: number[] = []
    const lanes = createOrderedLanes<number>({
      keyOf: () => 'one',
      run: (n, done) => {
        ran.push(n)
        done(n === 2 && ran.length === 2 ? 'postponed' : 'done')
      },
    })
    for (const n of [1, 2, 3, 4]) lanes.add(n)
    expect(ran).toEqual([1, 2])
    lanes.resume()
    expect(ran).toEqual([1, 2, 2, 3, 4])
  })

  it('run what waits before they finish, but nothing behind an item that is postponed then', async () => {
    const ran: string[] = []
    const settle = new Map<string, (step: 'done' | 'postponed') => void>()
    const lanes = createOrderedLanes<string>({
      keyOf: (item) => item.charAt(0),
      run: (item, done) => {
        ran.push(item)
        settle.set(item, done)
      },
    })
    for (const item of ['a1', 'a2', 'b1', 'b2', 'c1', 'c2']) lanes.add(item)
    settle.get('c1')?.('postponed')
    const finished = lanes.finish()
    lanes.add('d1')
    settle.get('a1')?.('done')
    settle.get('b1')?.('postponed')
    settle.get('a2')?.('done')
    await finished
    expect(ran).toEqual(['a1', 'b1', 'c1', 'a2'])
  })
})

describe('the read cursor', () => {
  const mark = (position: number, { xmin, barrier }: { xmin: number; barrier: number }) => ({
    position,
    xmin: String(xmin),
    barrier: String(barrier),
  })

  it('starts at the beginning, and again every two seconds', () => {
    let now = 0
    const cursor = createReadCursor(() => now)
    expect(cursor.start()).toBe(0)
    cursor.readTo(mark(900, { xmin: 7, barrier: 7 }), false)
    now = 1999
    expect(cursor.start()).toBe(900)
    now = 2000
    expect(cursor.start()).toBe(0)
  })

  it('does not pass a position while a transaction that was open when it was read may still commit a lower one', () => {
    let now = 0
    const cursor = createReadCursor(() => now)
    cursor.start()
    cursor.readTo(mark(10, { xmin: 5, barrier: 8 }), false)
    now = 1000
    cursor.readTo(mark(20, { xmin: 5, barrier: 9 }), false)
    expect(cursor.start()).toBe(0)
    now = 1100
    cursor.readTo(mark(30, { xmin: 8, barrier: 12 }), false)
    expect(cursor.start()).toBe(10)
  })

  it('does not pass a position because of a read that was cut short before it', () => {
    let now = 0
    const cursor = createReadCursor(() => now)
    cursor.start()
    cursor.readTo(mark(100, { xmin: 5, barrier: 8 }), true)
    now = 1000
    // A transaction has committed positions 41 to 60 meanwhile; there was room for two of them.
    cursor.readTo(mark(42, { xmin: 8, barrier: 9 }), true)
    expect(cursor.start()).toBe(0)
    cursor.readTo(mark(60, { xmin: 9, barrier: 9 }), true)
    expect(cursor.start()).toBe(0)
    cursor.readTo(mark(110, { xmin: 9, barrier: 9 }), true)
    expect(cursor.start()).toBe(100)
    now = 1250
    expect(cursor.start()).toBe(110)
  })

  it('looks back a quarter of a second', () => {
    let now = 0
    const cursor = createReadCursor(() => now)
    cursor.start()
    cursor.readTo(mark(10, { xmin: 5, barrier: 5 }), false)
    now = 100
    cursor.readTo(mark(20, { xmin: 5, barrier: 5 }), false)
    expect(cursor.start()).toBe(0)
    now = 250
    expect(cursor.start()).toBe(10)
    now = 350
    expect(cursor.start()).toBe(20)
  })
})
