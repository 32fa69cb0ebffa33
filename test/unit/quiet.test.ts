import { expect, test } from 'vitest'
import { createQuiet } from '../../src/runtime/quiet.ts'
import { createTurns } from '../../src/runtime/turns.ts'

/** Quiet on a clock that the test moves. */
function setUp() {
  let now = 0
  return {
    quiet: createQuiet(() => now),
    pass: (ms: number) => {
      now += ms
    },
  }
}

test('quiet lasts until what it was asked for is done', () => {
  const { quiet } = setUp()
  expect(quiet.isAsked()).toBe(false)
  const done = quiet.ask()
  expect(quiet.isAsked()).toBe(true)
  done()
  expect(quiet.isAsked()).toBe(false)
})

test('quiet ends by itself, and comes again only after a while', () => {
  const { quiet, pass } = setUp()
  const first = quiet.ask()
  pass(50)
  expect(quiet.isAsked()).toBe(false)
  quiet.ask()
  expect(quiet.isAsked()).toBe(false)
  pass(550)
  quiet.ask()
  expect(quiet.isAsked()).toBe(true)
  // The end of another's quiet.
  first()
  expect(quiet.isAsked()).toBe(true)
})

test('bulk work waits while quiet is asked for', () => {
  const { quiet } = setUp()
  let turn: (() => void) | undefined
  const turns = createTurns({
    shareMs: 4,
    quiet,
    schedule: (callback) => {
      turn = callback
    },
  })
  let worked = false
  const done = quiet.ask()
  turns.run(() => {
    worked = true
  })
  turn?.()
  expect(worked).toBe(false)
  done()
  turn?.()
  expect(worked).toBe(true)
})
