import { describe, expect, test } from 'vitest'
import { createScores, type Made } from '../../src/forecast/scores.ts'

const made = (id: string, turnMs = 11_000): Made => ({
  id,
  projectId: 'p',
  madeMs: 1000,
  turnMs,
  ruledMs: turnMs - 1000,
})
const row = (id: string, changes = {}) => ({
  id,
  state: 'queued',
  instances: 1,
  dispatchedMs: null,
  completedMs: null,
  bootsMs: null,
  ...changes,
})

function follow(...forecasts: Made[]) {
  const errors: [string, number][] = []
  const scores = createScores(
    (of, error) => errors.push([of, error]),
    () => 0,
  )
  for (const one of forecasts) scores.follow([one])
  return { scores, errors }
}

describe('a forecast that is followed', () => {
  test('is judged by when the order went out', () => {
    const { scores, errors } = follow(made('a'))
    scores.judge([row('a')])
    expect(scores.ids()).toEqual(['a'])
    scores.judge([row('a', { state: 'provisioning', dispatchedMs: 12_000 })])
    expect(errors).toEqual([['dispatch', 0.1]])
    expect(scores.ids()).toEqual([])
    expect(scores.paceOf('p')).toBeCloseTo(1.1 ** 0.2)
  })

  test('of a known image is judged by when all servers ran, too', () => {
    const { scores, errors } = follow(made('a'))
    const bootsMs = [40_000, 40_000, 40_000, 40_000, 40_000]
    scores.judge([row('a', { bootsMs })])
    scores.judge([row('a', { bootsMs, state: 'provisioning', dispatchedMs: 11_000 })])
    scores.judge([row('a', { bootsMs, state: 'running', dispatchedMs: 11_000, completedMs: 46_000 })])
    expect(errors).toEqual([
      ['dispatch', 0],
      ['running', 0.1],
    ])
    expect(scores.ids()).toEqual([])
  })

  test.each(['failed', 'expired', 'cancelled'])('is given up when its request is %s, or gone', (state) => {
    const { scores, errors } = follow(made('a'), made('b'))
    scores.judge([row('a', { state })])
    expect([scores.ids(), errors]).toEqual([[], []])
  })

  test('is given up when its project closes', () => {
    const { scores } = follow(made('a'))
    scores.giveUp(new Set(['other']))
    expect(scores.ids()).toEqual(['a'])
    scores.giveUp(new Set(['p']))
    expect(scores.ids()).toEqual([])
  })

  test('slows those after it, and a project that has no queue any more is forgotten', () => {
    const { scores } = follow(made('a'))
    scores.judge([row('a', { state: 'provisioning', dispatchedMs: 41_000 })])
    expect(scores.paceOf('p')).toBeCloseTo(4 ** 0.2)
    scores.follow([])
    expect(scores.paceOf('p')).toBe(1)
  })
})
