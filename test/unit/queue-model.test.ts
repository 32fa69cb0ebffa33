import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type QueueFacts,
  runQueues,
  type SharedBudget,
  shareEvenly,
  turnOf,
} from '../../src/forecast/queue-model.ts'

/** As the claim does it: whole tokens, the credential's dealt out in turn, the longest due first; in small steps. */
function simulate(queues: readonly QueueFacts[], budget: SharedBudget | null, stepSeconds: number) {
  const states = queues.map((queue, index) => ({
    ...queue,
    left: queue.length,
    dueAt: index * 1e-9,
    turns: [] as number[],
  }))
  let shared = budget?.tokens ?? Number.POSITIVE_INFINITY
  for (let step = 0; states.some(({ left }) => left > 0); step += 1) {
    const now = step * stepSeconds
    for (let served = true; served; ) {
      served = false
      const next = states
        .filter(({ left, tokens }) => left > 0 && tokens >= 1)
        .sort((a, b) => a.dueAt - b.dueAt)[0]
      if (next === undefined || shared < 1) break
      next.turns.push(now)
      next.left -= 1
      next.tokens -= 1
      next.dueAt = now + (step + 1) * 1e-9 + next.turns.length * 1e-6
      shared -= 1
      served = true
    }
    for (const state of states) state.tokens += state.perSecond * stepSeconds
    shared += (budget?.perSecond ?? 0) * stepSeconds
  }
  return new Map(states.map(({ projectId, turns }) => [projectId, turns]))
}

const queue = fc.record({
  length: fc.integer({ min: 1, max: 60 }),
  tokens: fc.integer({ min: 0, max: 15 }),
  perSecond: fc.double({ min: 0.5, max: 10, noNaN: true }),
})
const queuesOf = (rows: readonly Omit<QueueFacts, 'projectId' | 'credentialId'>[]): QueueFacts[] =>
  rows.map((row, index) => ({ ...row, projectId: `p${index}`, credentialId: 'c' }))

describe('the turns of a queue', () => {
  test('come as tokens flow in', () => {
    fc.assert(
      fc.property(queue, (row) => {
        const [own] = queuesOf([row])
        if (own === undefined) return
        const turns = simulate([own], null, 0.01).get('p0') ?? []
        const legs = runQueues([own], []).get('p0') ?? []
        for (const [index, seconds] of turns.entries())
          expect(Math.abs(turnOf(legs, index + 1) - seconds)).toBeLessThan(0.021)
      }),
    )
  })

  test('of projects on one credential come as it affords, shared evenly: within two rounds', () => {
    fc.assert(
      fc.property(
        fc.array(queue, { minLength: 1, maxLength: 5 }),
        fc.record({
          tokens: fc.integer({ min: 0, max: 20 }),
          perSecond: fc.double({ min: 0.5, max: 12, noNaN: true }),
        }),
        (rows, budget) => {
          const queues = queuesOf(rows)
          const shared = { ...budget, credentialId: 'c' }
          const turns = simulate(queues, shared, 0.01)
          const legs = runQueues(queues, [shared])
          const round =
            queues.length / Math.min(shared.perSecond, ...queues.map(({ perSecond }) => perSecond))
          for (const { projectId } of queues)
            for (const [index, seconds] of (turns.get(projectId) ?? []).entries())
              expect(Math.abs(turnOf(legs.get(projectId) ?? [], index + 1) - seconds)).toBeLessThan(
                2 * round + 0.05,
              )
        },
      ),
    )
  })

  test('of many projects are reckoned in a bounded number of steps', () => {
    const rows = Array.from({ length: 1000 }, (_, index) => ({ length: index + 1, tokens: 1, perSecond: 5 }))
    const legs = runQueues(queuesOf(rows), [{ credentialId: 'c', tokens: 10, perSecond: 10 }])
    expect(turnOf(legs.get('p0') ?? [], 1)).toBeLessThanOrEqual(100)
    const last = turnOf(legs.get('p999') ?? [], 1000)
    expect(last).toBeGreaterThan(10_000)
    expect(Math.max(...[...legs.values()].map((own) => own.length))).toBeLessThanOrEqual(62)
  })
})

test('an even share gives nobody more than he can take, and all there is', () => {
  expect(shareEvenly([1, 5, 5], 7)).toEqual([1, 3, 3])
  expect(shareEvenly([1, Number.POSITIVE_INFINITY], 10)).toEqual([1, 9])
  expect(shareEvenly([], 3)).toEqual([])
})
