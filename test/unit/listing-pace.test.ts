import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createListingPace } from '../../src/reconcile/listing-pace.ts'

function startPace() {
  let now = 0
  const pace = createListingPace(() => now)
  return {
    ...pace,
    advance: (ms: number) => {
      now += ms
    },
  }
}

test('a listing gives its project a rest of ten times its cost, and its audits one of a hundred times', () => {
  const pace = startPace()
  pace.listed('p', { calls: 2, refillPerSecond: 10 })
  pace.advance(1999)
  expect(pace.resting()).toEqual(['p'])
  pace.advance(1)
  expect(pace.resting()).toEqual([])
  pace.advance(17_999)
  expect(pace.gathering()).toEqual(['p'])
  pace.advance(1)
  expect(pace.gathering()).toEqual([])
})

test('a look waits for five seconds at the most, an audit for an hour', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1000 }),
      fc.double({ min: 0.01, max: 1000, noNaN: true }),
      (calls, refillPerSecond) => {
        const pace = startPace()
        pace.listed('p', { calls, refillPerSecond })
        pace.advance(5000)
        expect(pace.resting()).toEqual([])
        pace.advance(3_600_000)
        expect(pace.gathering()).toEqual([])
      },
    ),
  )
})

test('failed listings are counted until one succeeds, each project for itself', () => {
  const pace = startPace()
  expect([pace.failed('p'), pace.failed('p'), pace.failed('q')]).toEqual([1, 2, 1])
  pace.listed('p', { calls: 1, refillPerSecond: 1 })
  expect([pace.failed('p'), pace.failed('q')]).toEqual([1, 2])
})

test('a project that was put off rests as long, and its audits are not kept back by it', () => {
  const pace = startPace()
  pace.putOff('p', 100)
  expect(pace.resting()).toEqual(['p'])
  expect(pace.gathering()).toEqual([])
  pace.advance(100)
  expect(pace.resting()).toEqual([])
})
