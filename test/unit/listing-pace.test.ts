import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createListingPace } from '../../src/reconcile/listing-pace.ts'

function startPace() {
  let now = 0
  const pace = createListingPace({ now: () => now })
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

test('a project that was postponed rests as long, and its audits are not kept back by it', () => {
  const pace = startPace()
  pace.postpone('p', 100)
  expect(pace.resting()).toEqual(['p'])
  expect(pace.gathering()).toEqual([])
  pace.advance(100)
  expect(pace.resting()).toEqual([])
})

test('a listing that took too long gets twice the time, until one succeeds', () => {
  const pace = startPace()
  const first = pace.limitMs('p')
  pace.failed('p', { overran: true })
  pace.failed('p')
  expect([pace.limitMs('p'), pace.limitMs('q')]).toEqual([2 * first, first])
  for (let n = 0; n < 50; n += 1) pace.failed('p', { overran: true })
  expect(pace.limitMs('p')).toBe(900_000)
  pace.listed('p', { calls: 1, refillPerSecond: 1 })
  expect(pace.limitMs('p')).toBe(first)
})

test('slow projects wait while half of all listings are of such', () => {
  const pace = startPace()
  for (const slow of ['a', 'b', 'c']) pace.failed(slow, { overran: true })
  expect(pace.tooSlow(['x', 'y', 'a'], 4)).toEqual([])
  expect(pace.tooSlow(['a', 'b'], 4)).toEqual(['a', 'b', 'c'])
  expect([pace.tooSlow([], 1), pace.tooSlow(['a'], 1)]).toEqual([[], ['a', 'b', 'c']])
  pace.listed('a', { calls: 1, refillPerSecond: 1 })
  expect(pace.tooSlow(['a', 'b'], 4)).toEqual([])
})
