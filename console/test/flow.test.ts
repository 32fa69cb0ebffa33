import { describe, expect, test } from 'vitest'
import { describeFlow } from '../flow.js'
import type { Overview } from '../replies.ts'

const NOW = Date.parse('2026-11-26T12:00:00Z')
const at = (secondsAgo: number) => new Date(NOW - secondsAgo * 1000).toISOString()
const STEPS = 90

/** Counts of 15 minutes: nothing but `last` at the end. */
const series = (...last: number[]) => [...Array.from({ length: STEPS - last.length }, () => 0), ...last]

function overview(
  rates: Partial<Overview['rates']> = {},
  open: Partial<Overview['open']> = {},
): Pick<Overview, 'rates' | 'open'> {
  const nothing = series()
  return {
    rates: {
      step_seconds: 10,
      from: at(900),
      to: at(0),
      ...{ accepted: nothing, dispatched: nothing, running: nothing, failed: nothing, published: nothing },
      ...rates,
    },
    open: {
      ...{ queued: 0, dispatching: 0, uncertain: 0, provisioning: 0, capped: false, events: 0 },
      oldest_event_at: null,
      ...open,
    },
  }
}

describe('whether work is flowing', () => {
  test('is told by the last minute, and by what is under way', () => {
    const { tone, text } = describeFlow(
      overview(
        { accepted: series(40, 8), dispatched: series(50), running: series(46), failed: series(1) },
        { queued: 1312, provisioning: 41 },
      ),
      NOW,
    )
    expect(tone).toBeUndefined()
    expect(text).toBe(
      'In the last minute 48 orders came, 50 were sent to CloudDC, 47 ended. Now 1,312 waiting, 41 booting.',
    )
  })

  test('is nobody’s question where nothing is open', () => {
    expect(describeFlow(overview(), NOW)).toEqual({
      tone: undefined,
      text: 'There is nothing to do: no order is open.',
    })
  })

  test('is denied where orders wait and none is sent', () => {
    const stopped = series(5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    const { tone, text } = describeFlow(overview({ dispatched: stopped }, { queued: 3, uncertain: 1 }), NOW)
    expect(tone).toBe('watch')
    expect(text).toBe('No order was sent to CloudDC for 2 min. Now 3 waiting, 1 uncertain.')
  })

  test('is denied where events do not get out', () => {
    const held = overview({ accepted: series(3) }, { events: 12, oldest_event_at: at(180) })
    expect(describeFlow(held, NOW)).toEqual({
      tone: 'bad',
      text: 'Events do not get out: 12 wait, the first for 3 min.',
    })
    const young = overview({ accepted: series(3) }, { events: 12, oldest_event_at: at(5) })
    expect(describeFlow(young, NOW).tone).toBeUndefined()
  })
})
