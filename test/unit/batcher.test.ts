import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { createBatcher } from '../../src/runtime/batcher.ts'

/** A batcher whose flushes end when the test says so. */
function createHeldBatcher({ maxSize = 100, concurrency = 1, gatherMs = 0, gatherAfter = 1 } = {}) {
  const flushes: { items: number[]; finish: (results?: string[]) => void; fail: (error: Error) => void }[] =
    []
  const batcher = createBatcher<number, string>({
    maxSize,
    concurrency,
    gatherMs,
    gatherAfter,
    flush: (items) =>
      new Promise((resolve, reject) => {
        const finish = (results = items.map((item) => `done ${item}`)) => resolve(results)
        flushes.push({ items, finish, fail: reject })
      }),
  })
  return { batcher, flushes, sizes: () => flushes.map(({ items }) => items.length) }
}

afterEach(() => {
  vi.useRealTimers()
})

const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('a batcher', () => {
  test('takes what comes in one turn together, and each gets its own result', async () => {
    const { batcher, flushes } = createHeldBatcher()
    const results = Promise.all([1, 2, 3].map(batcher.add))
    await turn()
    expect(flushes.map(({ items }) => items)).toEqual([[1, 2, 3]])
    flushes[0]?.finish()
    expect(await results).toEqual(['done 1', 'done 2', 'done 3'])
  })

  test('gathers for as long as a flush is under way', async () => {
    const { batcher, flushes, sizes } = createHeldBatcher()
    const first = batcher.add(1)
    await turn()
    const others: Promise<string>[] = []
    for (let item = 2; item <= 50; item += 1) {
      others.push(batcher.add(item))
      if (item % 10 === 0) await turn()
    }
    expect(sizes()).toEqual([1])
    flushes[0]?.finish()
    expect(await first).toBe('done 1')
    await turn()
    expect(sizes()).toEqual([1, 49])
    flushes[1]?.finish()
    expect(await Promise.all(others)).toHaveLength(49)
  })

  test('runs as many flushes at once as it may, none larger than it may', async () => {
    const { batcher, flushes, sizes } = createHeldBatcher({ maxSize: 4, concurrency: 2 })
    const results = Array.from({ length: 11 }, (_, item) => batcher.add(item))
    await turn()
    expect(sizes()).toEqual([4, 4])
    flushes[1]?.finish()
    await turn()
    expect(sizes()).toEqual([4, 4, 3])
    for (const { finish } of flushes) finish()
    await Promise.all(results)
  })

  test('gathers for a while after a flush began, but lets a lone item and a full batch go at once', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'performance'] })
    const { batcher, flushes, sizes } = createHeldBatcher({ maxSize: 4, concurrency: 3, gatherMs: 10 })
    const results = [batcher.add(1)]
    await turn()
    expect(sizes()).toEqual([1])
    results.push(batcher.add(2))
    await turn()
    await vi.advanceTimersByTimeAsync(6)
    results.push(batcher.add(3))
    await turn()
    expect(sizes()).toEqual([1])
    await vi.advanceTimersByTimeAsync(4)
    expect(sizes()).toEqual([1, 2])
    for (const item of [4, 5, 6, 7]) results.push(batcher.add(item))
    await turn()
    expect(sizes()).toEqual([1, 2, 4])
    for (const { finish } of flushes) finish()
    await Promise.all(results)
  })

  test('gathers only where as many come as is worth the wait', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'performance'] })
    const { batcher, flushes, sizes } = createHeldBatcher({ concurrency: 9, gatherMs: 10, gatherAfter: 3 })
    const results: Promise<string>[] = []
    const add = async (count: number) => {
      for (let n = 0; n < count; n += 1) results.push(batcher.add(n))
      await turn()
    }
    for (const count of [2, 1, 3]) await add(count)
    expect(sizes()).toEqual([2, 1, 3])
    await add(1)
    await add(1)
    expect(sizes()).toEqual([2, 1, 3])
    await vi.advanceTimersByTimeAsync(10)
    expect(sizes()).toEqual([2, 1, 3, 2])
    await add(1)
    expect(sizes()).toEqual([2, 1, 3, 2, 1])
    for (const { finish } of flushes) finish()
    await Promise.all(results)
  })

  test('fails those of a batch that fails, and nobody else', async () => {
    const { batcher, flushes } = createHeldBatcher({ maxSize: 2 })
    const results = Promise.allSettled([1, 2, 3].map(batcher.add))
    await turn()
    flushes[0]?.fail(new Error('no'))
    await turn()
    flushes[1]?.finish()
    expect((await results).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled'])
  })

  test('is drained when nothing waits and nothing is under way', async () => {
    const { batcher, flushes } = createHeldBatcher({ maxSize: 1 })
    await batcher.drained()
    const results = [batcher.add(1), batcher.add(2)]
    expect(batcher.size()).toBe(2)
    await turn()
    let drained = false
    const draining = batcher.drained().then(() => {
      drained = true
    })
    flushes[0]?.finish()
    await turn()
    expect({ drained, size: batcher.size() }).toEqual({ drained: false, size: 1 })
    flushes[1]?.finish()
    await draining
    await Promise.all(results)
    expect(batcher.size()).toBe(0)
  })

  test('loses, repeats and reorders nothing, however adding and flushing interleave', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 0, max: 40 }),
        async (scheduler, maxSize, concurrency, count) => {
          const seen: number[] = []
          const batcher = createBatcher<number, number>({
            maxSize,
            concurrency,
            flush: async (items) => {
              seen.push(...items)
              await scheduler.schedule(Promise.resolve())
              return items.map((item) => item * 2)
            },
          })
          const results = Array.from({ length: count }, (_, item) => batcher.add(item))
          const all = Promise.all(results)
          while (batcher.size() > 0) {
            await turn()
            if (scheduler.count() > 0) await scheduler.waitOne()
          }
          expect(await all).toEqual(Array.from({ length: count }, (_, item) => item * 2))
          expect(seen).toEqual(Array.from({ length: count }, (_, item) => item))
        },
      ),
      { numRuns: 50 },
    )
  })
})
