import { pino } from 'pino'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createStatusWatcher, type WaitOptions } from '../../src/api/status-watcher.ts'
import type { RequestState } from '../../src/request/provision-request.ts'
import { eventually } from '../support/eventually.ts'

function setUp(options: { maxHeld?: number } = {}) {
  const world = { states: new Map<string, RequestState>(), asked: [] as string[][], failures: 0 }
  const watcher = createStatusWatcher({
    reads: {
      states: async (ids) => {
        world.asked.push([...ids])
        if (world.failures > 0) {
          world.failures -= 1
          throw new Error('away')
        }
        return new Map(
          ids.flatMap((id) => {
            const state = world.states.get(id)
            return state === undefined ? [] : [[id, state] as const]
          }),
        )
      },
    },
    logger: pino({ level: 'silent' }),
    ...options,
  })
  onTestFinished(() => watcher.stop())
  const wait = (id: string, options: Partial<WaitOptions> = {}) =>
    watcher.waitForChange({
      id,
      key: `p/${id}`,
      since: 'queued',
      timeoutMs: 60_000,
      signal: new AbortController().signal,
      ...options,
    })
  return { world, watcher, wait }
}

describe('a wait ends', () => {
  test('when another state is seen', async () => {
    const { world, watcher, wait } = setUp()
    world.states.set('a', 'queued')
    await watcher.start()
    const ended = wait('a')
    await eventually(() => expect(world.asked.length).toBeGreaterThan(1))
    world.states.set('a', 'dispatching')
    expect(await ended).toBe('changed')
    expect(watcher.size()).toBe(0)
  })

  test('at once when this process says that it changed the request', async () => {
    const { world, watcher, wait } = setUp()
    world.states.set('a', 'queued').set('b', 'queued')
    await watcher.start()
    const ended = wait('a')
    void wait('b')
    await eventually(() => expect(world.asked.length).toBeGreaterThan(0))
    world.asked.length = 0
    world.states.set('a', 'running')
    watcher.notify(['p/a', 'p/unknown'])
    expect(await ended).toBe('changed')
    expect(world.asked[0]).toEqual(['a'])
  })

  test('when the request is gone', async () => {
    const { watcher, wait } = setUp()
    await watcher.start()
    expect(await wait('a')).toBe('changed')
  })

  test('when its time is over', async () => {
    const { world, watcher, wait } = setUp()
    world.states.set('a', 'queued')
    await watcher.start()
    expect(await wait('a', { timeoutMs: 1 })).toBe('timeout')
    expect(watcher.size()).toBe(0)
  })

  test('when the client goes', async () => {
    const { watcher, wait } = setUp()
    const client = new AbortController()
    const ended = wait('a', { signal: client.signal })
    client.abort()
    expect(await ended).toBe('gone')
    expect(await wait('a', { signal: client.signal })).toBe('gone')
    expect(watcher.size()).toBe(0)
  })

  test('when the watcher stops, before or after its start', async () => {
    const { world, watcher, wait } = setUp()
    world.states.set('a', 'queued').set('b', 'queued')
    await watcher.start()
    const waits = [wait('a'), wait('a'), wait('b')]
    await Promise.all([watcher.stop(), watcher.stop()])
    expect(await Promise.all(waits)).toEqual(['stopped', 'stopped', 'stopped'])
    expect(watcher.size()).toBe(0)
    expect(await wait('a')).toBe('stopped')
  })
})

test('all clients share one question, however many wait for however many requests', async () => {
  const { world, watcher, wait } = setUp()
  const ids = Array.from({ length: 1500 }, (_, index) => `r${index}`)
  for (const id of ids) world.states.set(id, 'queued')
  for (const id of ids) void wait(id)
  for (const id of ids) void wait(id)
  await watcher.start()
  await eventually(() => expect(world.asked.length).toBeGreaterThanOrEqual(2))
  expect(world.asked.slice(0, 2).map((asked) => asked.length)).toEqual([1000, 500])
  expect(watcher.size()).toBe(3000)
})

test('nothing is asked while nobody waits', async () => {
  const { world, watcher, wait } = setUp()
  await watcher.start()
  await wait('a', { timeoutMs: 0 })
  const { length } = world.asked
  watcher.notify(['p/a'])
  await wait('b', { signal: AbortSignal.abort() })
  expect(world.asked.length).toBe(length)
})

test('a database that is unreachable is asked again, and clients wait on', async () => {
  const { world, watcher, wait } = setUp()
  world.states.set('a', 'running')
  world.failures = 1
  await watcher.start()
  expect(await wait('a')).toBe('changed')
  expect(world.asked.length).toBe(2)
})

test('more replies than one replica holds are refused before anything is read, until one ends', async () => {
  const { watcher } = setUp({ maxHeld: 2 })
  const first = Promise.withResolvers<string>()
  const second = Promise.withResolvers<string>()
  const replies = [watcher.hold(null, () => first.promise), watcher.hold(null, () => second.promise)]
  let made = 0
  const third = () =>
    watcher.hold(null, async () => {
      made += 1
      return 'third'
    })
  await expect(third()).rejects.toThrow('holds 2 replies')
  expect(made).toBe(0)
  first.resolve('first')
  second.reject(new Error('gone'))
  expect((await Promise.allSettled(replies)).map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
  expect(await third()).toBe('third')
})
