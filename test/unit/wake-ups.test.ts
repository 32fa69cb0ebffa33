import { expect, test } from 'vitest'
import { createWakeUps, SLEEPERS, type Sleeper } from '../../src/app/wake-ups.ts'

/** A replica that does the work of `serving` itself. */
function build(serving: readonly Sleeper[] = []) {
  const woken: [Sleeper, number][] = []
  const said: Sleeper[] = []
  const readers: string[] = []
  const loopOf = (sleeper: Sleeper) => ({
    name: sleeper,
    start: async () => undefined,
    stop: async () => undefined,
    wake: (inMs = 0) => woken.push([sleeper, inMs]),
    serves: () => serving.includes(sleeper),
  })
  const wakeUps = createWakeUps({
    loops: () => ({
      dispatcher: loopOf('dispatcher'),
      preflight: loopOf('preflight'),
      sweeper: loopOf('sweeper'),
      rescuer: loopOf('rescuer'),
      reconciler: loopOf('reconciler'),
      poller: loopOf('poller'),
      relay: loopOf('relay'),
      runner: loopOf('runner'),
    }),
    say: (sleeper) => said.push(sleeper),
    tellReaders: (keys) => readers.push(...keys),
    firstPollMs: 40,
  })
  return { wakeUps, woken, said, readers }
}

test('a replica that does everything itself says nothing to others', () => {
  const { wakeUps, said } = build(SLEEPERS)
  wakeUps.onQueued()
  wakeUps.onEvents(['p/a'])
  wakeUps.onSettled([{ id: '1', projectId: 'p', requestId: 'a', attempt: 1 }])
  expect(said).toEqual([])
})

test('what a replica does not do itself is said to the others, as well as tried', () => {
  const { wakeUps, said, woken } = build(['poller', 'sweeper', 'reconciler'])
  wakeUps.onQueued()
  expect(said).toEqual(['dispatcher', 'relay'])
  expect(woken).toEqual([
    ['dispatcher', 0],
    ['relay', 0],
    ['sweeper', 250],
  ])
})

test('a settlement wakes at once what publishes, and the others in time for what it may have left to them', () => {
  const { wakeUps, woken, readers } = build()
  wakeUps.onSettled([{ id: '1', projectId: 'p', requestId: 'a', attempt: 1 }])
  expect(Object.fromEntries(woken)).toEqual({
    relay: 0,
    poller: 40,
    dispatcher: 250,
    sweeper: 250,
    reconciler: 250,
  })
  expect(readers).toEqual(['p/a'])
})

test('that there is more than a replica takes is said, and not with every claim', () => {
  const { wakeUps, said } = build(SLEEPERS)
  for (let claims = 0; claims < 10; claims += 1) wakeUps.onSurplus()
  expect(said).toEqual(['dispatcher'])
})

test('words of others wake the loops they name, and unknown ones nothing', () => {
  const { wakeUps, woken, said } = build()
  wakeUps.heard(['relay', 'a word of another version', 'toString'])
  expect(woken).toEqual([['relay', 0]])
  expect(said).toEqual([])
})

test('after words may have been lost every loop looks', () => {
  const { wakeUps, woken } = build()
  wakeUps.wakeAll()
  expect(woken.map(([sleeper]) => sleeper).toSorted()).toEqual([...SLEEPERS].toSorted())
})
