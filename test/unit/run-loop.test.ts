import fc from 'fast-check'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createLoop, type RunResult } from '../../src/runtime/run-loop.ts'

const lines: string[] = []
const logger = pino({ level: 'trace' }, { write: (line: string) => lines.push(line) })

beforeEach(() => {
  vi.useFakeTimers()
  lines.length = 0
})
afterEach(() => {
  vi.useRealTimers()
})

/** A loop whose passes do what `pass` says; without it they find nothing to do. */
function startLoop(
  pass: (count: number, signal: AbortSignal) => RunResult | Promise<RunResult> = () => ({ again: false }),
  gapMs = 0,
  idleMs: number | (() => number) = 1000,
) {
  let passes = 0
  const stops: string[] = []
  const loop = createLoop({
    name: 'duty',
    logger,
    idleMs,
    gapMs,
    runOnce: async (signal) => {
      passes += 1
      return pass(passes, signal)
    },
    onStop: async () => {
      stops.push('stopped')
    },
  })
  return { loop, passes: () => passes, stops }
}

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

describe('a loop', () => {
  test('passes at once, and then whenever it has been idle for long enough', async () => {
    const { loop, passes } = startLoop()
    await loop.start()
    await pass(0)
    expect(passes()).toBe(1)
    await pass(999)
    expect(passes()).toBe(1)
    await pass(1)
    expect(passes()).toBe(2)
    await loop.stop()
  })

  test('passes again without a pause while there is more', async () => {
    const { loop, passes } = startLoop((count) => (count < 5 ? { again: true } : { again: false }))
    await loop.start()
    await pass(0)
    expect(passes()).toBe(5)
    await loop.stop()
  })

  test('waits for the time a pass names, but no longer than it may be idle', async () => {
    const { loop, passes } = startLoop((count) => ({ again: false, waitMs: count === 1 ? 50 : 60_000 }))
    await loop.start()
    await pass(50)
    expect(passes()).toBe(2)
    await pass(999)
    expect(passes()).toBe(2)
    await pass(1)
    expect(passes()).toBe(3)
    await loop.stop()
  })

  test('is woken from a wait, and remembers a wake-up that comes during a pass', async () => {
    const working = Promise.withResolvers<void>()
    const { loop, passes } = startLoop(async (count) => {
      if (count === 2) await working.promise
      return { again: false }
    })
    await loop.start()
    await pass(0)
    loop.wake()
    await pass(0)
    expect(passes()).toBe(2)
    loop.wake()
    loop.wake()
    working.resolve()
    await pass(0)
    expect(passes()).toBe(3)
    await loop.stop()
  })

  test('lets a gap between two passes, in which wake-ups gather', async () => {
    const { loop, passes } = startLoop(undefined, 20)
    await loop.start()
    await pass(0)
    for (let n = 0; n < 4; n += 1) {
      loop.wake()
      await pass(4)
    }
    expect(passes()).toBe(1)
    await pass(4)
    expect(passes()).toBe(2)
    await pass(500)
    loop.wake()
    await pass(0)
    expect(passes()).toBe(3)
    await loop.stop()
  })

  test('is woken for later, by the earliest of several wake-ups', async () => {
    const { loop, passes } = startLoop()
    await loop.start()
    await pass(0)
    loop.wake(300)
    loop.wake(100)
    loop.wake(200)
    await pass(99)
    expect(passes()).toBe(1)
    await pass(1)
    expect(passes()).toBe(2)
    await pass(999)
    expect(passes()).toBe(2)
    await loop.stop()
  })

  test('asks after each pass how long it may be idle', async () => {
    let idleMs = 50
    const { loop, passes } = startLoop(undefined, 0, () => idleMs)
    await loop.start()
    await pass(0)
    idleMs = 3_600_000
    await pass(50)
    expect(passes()).toBe(2)
    await pass(3_599_999)
    expect(passes()).toBe(2)
    await pass(1)
    expect(passes()).toBe(3)
    await loop.stop()
  })

  test('loses no wake-up, whenever it comes: all that is committed before one is found without waiting for long', async () => {
    const hour = 3_600_000
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          commits: fc.array(fc.record({ afterMs: fc.nat(30), wakeInMs: fc.nat(20) }), {
            minLength: 1,
            maxLength: 20,
          }),
          readAfterMs: fc.nat(10),
          workMs: fc.nat(10),
          gapMs: fc.nat(15),
        }),
        async ({ commits, readAfterMs, workMs, gapMs }) => {
          let committed = 0
          let found = 0
          const { loop } = startLoop(
            async () => {
              await sleep(readAfterMs)
              found = committed
              await sleep(workMs)
              return { again: false, waitMs: hour }
            },
            gapMs,
            hour,
          )
          await loop.start()
          for (const { afterMs, wakeInMs } of commits) {
            await pass(afterMs)
            committed += 1
            loop.wake(wakeInMs)
          }
          // The pass under way, the wait for the last wake-up, and one more pass up to where it reads.
          await pass(2 * (readAfterMs + workMs) + 20 + gapMs + 2)
          expect(found).toBe(commits.length)
          const stopped = loop.stop()
          await pass(20)
          await stopped
        },
      ),
    )
  })

  test('tries again after a failure, later each time, and says so when it begins and ends', async () => {
    const { loop, passes } = startLoop((count) => {
      if (count <= 4) throw new Error('the database is unreachable')
      return { again: false }
    })
    await loop.start()
    await pass(0)
    expect(passes()).toBe(1)
    await pass(49)
    expect(passes()).toBe(1)
    await pass(100 + 200 + 400 + 800)
    expect(passes()).toBeGreaterThanOrEqual(5)
    expect(lines.filter((line) => line.includes('failing, will keep trying'))).toHaveLength(1)
    expect(lines.filter((line) => line.includes('works again'))).toHaveLength(1)
    await loop.stop()
  })

  test('does not take a wake-up for a reason to hurry after a failure', async () => {
    const { loop, passes } = startLoop(() => {
      loop.wake()
      throw new Error('no')
    })
    await loop.start()
    await pass(40)
    expect(passes()).toBe(1)
    await loop.stop()
  })
})

describe('stopping a loop', () => {
  test('ends a wait at once, and waits for a pass that is under way', async () => {
    const working = Promise.withResolvers<void>()
    let signal: AbortSignal | undefined
    const { loop, stops } = startLoop(async (_, given) => {
      signal = given
      await working.promise
      return { again: true }
    })
    await loop.start()
    await pass(0)
    const stopped = loop.stop()
    await pass(0)
    expect(signal?.aborted).toBe(true)
    expect(stops).toEqual([])
    working.resolve()
    await stopped
    expect(stops).toEqual(['stopped'])
  })

  test('may come twice, and before the start', async () => {
    const { loop, passes, stops } = startLoop()
    await loop.stop()
    await loop.start()
    await pass(5000)
    expect(passes()).toBe(0)
    const other = startLoop()
    await other.loop.start()
    await pass(0)
    await Promise.all([other.loop.stop(), other.loop.stop()])
    expect(other.stops).toEqual(['stopped'])
    expect(stops).toEqual([])
  })

  test('takes a pass that fails because of it for no failure', async () => {
    const { loop } = startLoop(
      (_, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(new Error('aborted')))
        }),
    )
    await loop.start()
    await pass(0)
    await loop.stop()
    expect(lines).toEqual([])
  })

  test('ends the gap between two passes', async () => {
    const { loop } = startLoop(undefined, 500)
    await loop.start()
    loop.wake()
    await pass(10)
    await loop.stop()
  })

  test('ends the pause after a failure', async () => {
    const { loop } = startLoop(() => {
      throw new Error('no')
    })
    await loop.start()
    await pass(10)
    await loop.stop()
  })
})
