import { describe, expect, test } from 'vitest'
import { bootOf, estimate, type ForecastFacts } from '../../src/forecast/estimate.ts'

const key = (n: number) => n.toString(16).padStart(48, '0')
const facts: ForecastFacts = {
  computedMs: 1000,
  key: key(150),
  keyBelow: key(100),
  keyAbove: key(200),
  placeBelow: 20,
  placeAbove: 24,
  turnMsBelow: 4000,
  turnMsAbove: 4800,
  closed: false,
  bootsMs: null,
}
const asked = { instances: 1, retryMs: null, nowMs: 2000 }

describe('an estimate', () => {
  test('lies between the points of the forecast', () => {
    expect(estimate(facts, asked)).toEqual({ position: 22, turnMs: 5400, readyMs: 5400 })
    expect(estimate({ ...facts, key: key(100) }, asked)).toMatchObject({ position: 20, turnMs: 5000 })
  })

  test('adds how long the image takes to boot', () => {
    const bootsMs = [100_000, 150_000, 200_000, 300_000, 900_000]
    expect(estimate({ ...facts, bootsMs }, asked)).toMatchObject({ turnMs: 5400, readyMs: 105_400 })
    expect([1, 2, 5, 10, 50].map((instances) => bootOf(bootsMs, instances))).toEqual([
      100_000, 150_000, 200_000, 300_000, 900_000,
    ])
  })

  test('is at the head before the first point, and behind the last one', () => {
    const beyond = { keyBelow: null, placeBelow: null, turnMsBelow: null }
    expect(estimate({ ...facts, ...beyond }, asked)).toMatchObject({ position: 1, turnMs: 2000 })
    const last = { keyAbove: null, placeAbove: null, turnMsAbove: null }
    expect(estimate({ ...facts, ...last }, asked)).toMatchObject({ position: 21, turnMs: 5000 })
  })

  test('is never in the past', () => {
    expect(estimate(facts, { ...asked, nowMs: 9000 }).turnMs).toBe(9000)
  })

  test('of a request that was put back is its retry time', () => {
    expect(estimate({ ...facts, key: null }, { ...asked, retryMs: 7000 })).toEqual({
      position: null,
      turnMs: 7000,
      readyMs: 7000,
    })
  })

  test('knows the place in a closed project, and no time', () => {
    const closed = { ...facts, closed: true, turnMsBelow: null, turnMsAbove: null }
    expect(estimate(closed, asked)).toEqual({ position: 22, turnMs: null, readyMs: null })
  })

  test('is none without a forecast, and none of what is not in the queue', () => {
    const none = { position: null, turnMs: null, readyMs: null }
    expect(estimate(null, asked)).toEqual(none)
    expect(estimate({ ...facts, key: null }, asked)).toEqual(none)
    expect(estimate({ ...facts, computedMs: null }, asked)).toEqual(none)
  })
})
