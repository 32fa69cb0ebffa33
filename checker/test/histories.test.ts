import { expect, it } from 'vitest'
import { readHistories } from '../histories.ts'

const ID = '019ab06b-6f1d-7c52-8a3e-0b7d52f1c9aa'
const lines = (...entries: object[]) => entries.map((entry) => `${JSON.stringify(entry)}\n`).join('')

it('reads each change and the present outcome of each attempt', () => {
  const { transitions, attempts } = readHistories([
    {
      id: ID,
      lines: lines(
        { v: 1, at: 1, to: 'queued', cause: 'accepted' },
        { v: 2, at: 2, to: 'dispatching', cause: 'claimed', attempt: 1 },
        { v: 3, at: 3, to: 'uncertain', cause: 'timeout', attempt: 1, outcome: 'uncertain' },
        { v: 4, at: 4, to: 'queued', cause: 'void', attempt: 1, outcome: 'void' },
        { v: 5, at: 5, cause: 'unexpected_instances', attempt: 1 },
        { v: 6, at: 6, to: 'dispatching', cause: 'claimed', attempt: 2 },
      ),
    },
  ])
  expect(transitions.map(({ version, from, to, attemptId }) => [version, from, to, attemptId])).toEqual([
    [1, null, 'queued', null],
    [2, 'queued', 'dispatching', `${ID}.1`],
    [3, 'dispatching', 'uncertain', `${ID}.1`],
    [4, 'uncertain', 'queued', `${ID}.1`],
    [5, 'queued', 'queued', `${ID}.1`],
    [6, 'queued', 'dispatching', `${ID}.2`],
  ])
  expect(attempts.map(({ id, number, state }) => [id, number, state])).toEqual([
    [`${ID}.1`, 1, 'void'],
    [`${ID}.2`, 2, 'in_flight'],
  ])
})
