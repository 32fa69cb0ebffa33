import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createSilenceWatch } from '../../src/database/silence-watch.ts'

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

const SILENT_MS = 900

/** A watch over connections by the name of their backend, and a server that tells what the test says. */
function createWorld() {
  const asked: number[][] = []
  const ended: number[] = []
  const dropped: number[] = []
  let lost: number[] | Error = []
  let beforeAnswer: () => void = () => undefined
  const watch = createSilenceWatch({
    silentMs: SILENT_MS,
    server: {
      findLost: async (backends) => {
        asked.push(backends.map(({ pid }) => pid))
        beforeAnswer()
        if (lost instanceof Error) throw lost
        const pids = lost
        return backends.filter(({ pid }) => pids.includes(pid))
      },
      end: async (backends) => {
        ended.push(...backends.map(({ pid }) => pid))
      },
    },
    logger: pino({ level: 'silent' }),
  })
  const open = (backend: number) => {
    const watched = watch.watch({ pid: backend, startedAt: '' }, () => {
      dropped.push(backend)
      watched.ended()
    })
    return watched
  }
  return {
    asked,
    ended,
    dropped,
    open,
    pass: (ms: number) => vi.advanceTimersByTimeAsync(ms),
    serverSaysLost: (answer: number[] | Error) => {
      lost = answer
    },
    beforeTheServerAnswers: (act: () => void) => {
      beforeAnswer = act
    },
  }
}

describe('the watch over silent connections', () => {
  test('asks nobody while connections are idle or answers come in time', async () => {
    const world = createWorld()
    const busy = world.open(1)
    world.open(2)
    for (let statement = 0; statement < 20; statement += 1) {
      busy.asked()
      await world.pass(SILENT_MS / 2)
      busy.answered()
    }
    expect(world.asked).toEqual([])
  })

  test('asks for those alone whose answer is late, again and again, and leaves the living alone', async () => {
    const world = createWorld()
    world.open(1).asked()
    await world.pass(SILENT_MS / 2)
    world.open(2).asked()
    world.open(3)
    await world.pass(SILENT_MS / 2)
    expect(world.asked).toEqual([[1]])
    await world.pass(SILENT_MS)
    expect(world.asked).toEqual([[1], [1, 2]])
    await world.pass(10 * SILENT_MS)
    expect(world.asked).toHaveLength(12)
    expect(world.dropped).toEqual([])
  })

  test('is less patient for a while once it has found a lost one', async () => {
    const world = createWorld()
    const [lost, next] = [1, 2].map(world.open)
    lost?.asked()
    next?.asked()
    world.serverSaysLost([1, 2])
    await world.pass(SILENT_MS - 1)
    next?.answered()
    next?.asked()
    await world.pass(1)
    expect(world.dropped).toEqual([1])
    await world.pass(SILENT_MS / 3)
    expect(world.dropped).toEqual([1, 2])
  })

  test('drops the lost, and those idle that were last heard of before', async () => {
    const world = createWorld()
    const [lost, slow, , after] = [1, 2, 3, 4].map(world.open)
    await world.pass(10)
    lost?.asked()
    slow?.asked()
    await world.pass(10)
    after?.asked()
    after?.answered()
    world.serverSaysLost([1])
    await world.pass(2 * SILENT_MS)
    expect(world.dropped).toEqual([1, 3])
    expect(world.ended).toEqual([1, 3])
  })

  test('keeps a connection whose answer arrives while the server is asked, and one with a later statement', async () => {
    const world = createWorld()
    const [answered, busy] = [1, 2].map(world.open)
    answered?.asked()
    busy?.asked()
    world.serverSaysLost([1, 2])
    world.beforeTheServerAnswers(() => {
      answered?.answered()
      busy?.answered()
      vi.advanceTimersByTime(1)
      busy?.asked()
    })
    await world.pass(SILENT_MS)
    expect(world.asked).toHaveLength(1)
    expect(world.dropped).toEqual([])
  })

  test('drops nothing while the server cannot be asked, and goes on asking', async () => {
    const world = createWorld()
    world.open(1).asked()
    world.serverSaysLost(new Error('no way there'))
    await world.pass(2 * SILENT_MS)
    expect(world.asked.length).toBeGreaterThan(1)
    expect(world.dropped).toEqual([])
    world.serverSaysLost([1])
    await world.pass(SILENT_MS)
    expect(world.dropped).toEqual([1])
  })

  test('ends with the last connection, and begins again with the next', async () => {
    const world = createWorld()
    const [one, other] = [1, 2].map(world.open)
    one?.asked()
    one?.ended()
    other?.ended()
    expect(vi.getTimerCount()).toBe(0)
    world.open(3).asked()
    await world.pass(2 * SILENT_MS)
    expect(world.asked[0]).toEqual([3])
  })
})
