import { expect, it } from 'vitest'
import { createUpstreamClock } from '../../src/clouddc/auth/upstream-clock.ts'

const HOUR = 3_600_000
const OURS = Date.parse('2026-11-23T12:00:00Z')
const at = (ms: number) => new Date(OURS + ms).toUTCString()

it('follows the upstream where it is more than a minute away', () => {
  const clock = createUpstreamClock(() => OURS)
  expect(clock.now().getTime()).toBe(OURS)
  clock.answered(at(HOUR))
  expect(clock.now().getTime()).toBe(OURS + HOUR)
  expect(clock.aheadMs()).toBe(HOUR)
  clock.answered(at(-HOUR))
  expect(clock.now().getTime()).toBe(OURS - HOUR)
})

it('takes smaller differences for the way of the answer', () => {
  const clock = createUpstreamClock(() => OURS)
  clock.answered(at(HOUR))
  clock.answered(at(59_000))
  expect(clock.aheadMs()).toBe(0)
})

it('keeps what it knows when an answer has no date, or none that can be read', () => {
  const clock = createUpstreamClock(() => OURS)
  clock.answered(at(HOUR))
  clock.answered(undefined)
  clock.answered('yesterday')
  expect(clock.aheadMs()).toBe(HOUR)
})
