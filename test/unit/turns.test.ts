import { expect, test } from 'vitest'
import { createTurns } from '../../src/runtime/turns.ts'

/** Turns on a clock and an event loop that the test moves. */
function setUp() {
  let now = 0
  let callbacks: (() => void)[] = []
  const turns = createTurns({
    shareMs: 4,
    now: () => now,
    schedule: (callback) => callbacks.push(callback),
  })
  const done: number[] = []
  return {
    turns,
    done,
    work: (id: number, ms: number) =>
      turns.run(() => {
        now += ms
        done.push(id)
      }),
    pass: (ms: number) => {
      now += ms
    },
    turn: () => {
      const due = callbacks
      callbacks = []
      for (const callback of due) callback()
    },
  }
}

test('work runs at once while the turn has time for it', () => {
  const { work, done } = setUp()
  work(1, 1)
  work(2, 1)
  expect(done).toEqual([1, 2])
})

test('what does not fit waits for the next turns, in order', () => {
  const { work, done, turn } = setUp()
  for (const id of [1, 2, 3, 4, 5]) work(id, 3)
  expect(done).toEqual([1, 2])
  turn()
  expect(done).toEqual([1, 2, 3, 4])
  work(6, 1)
  expect(done).toEqual([1, 2, 3, 4])
  turn()
  expect(done).toEqual([1, 2, 3, 4, 5, 6])
})

test('a turn counts from its first work', () => {
  const { turns, pass, turn } = setUp()
  expect(turns.over()).toBe(false)
  pass(4)
  expect(turns.over()).toBe(true)
  turn()
  expect(turns.over()).toBe(false)
})
