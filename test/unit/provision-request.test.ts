import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  completion,
  isTerminal,
  legalMoves,
  NEXT_STATES,
  REQUEST_STATES,
} from '../../src/request/provision-request.ts'

describe('the states of a provision request', () => {
  it('end in running, partially_running, failed, expired or cancelled', () => {
    expect(REQUEST_STATES.filter(isTerminal)).toEqual([
      'running',
      'partially_running',
      'failed',
      'expired',
      'cancelled',
    ])
  })

  it('all lead to an end and are all reached from queued', () => {
    const reached = new Set<string>(['queued'])
    for (const state of reached)
      for (const next of NEXT_STATES[state as keyof typeof NEXT_STATES]) reached.add(next)
    expect([...reached].sort()).toEqual([...REQUEST_STATES].sort())
  })

  it('never go from uncertain to dispatching without the queue in between', () => {
    expect(NEXT_STATES.uncertain).not.toContain('dispatching')
    expect(NEXT_STATES.dispatching).not.toContain('dispatching')
  })

  it('follow each other in the database as they do here', () => {
    const migration = readFileSync('prisma/migrations/20261126000000_create_tables/migration.sql', 'utf8')
    const check = /"provision_request_move_check" CHECK \(\((.+?)\) IS TRUE\)/s.exec(migration)?.[1]
    expect(check?.trim().replaceAll(/\s+/g, ' ')).toBe(legalMoves())
  })
})

describe('completion', () => {
  const counts = fc
    .record({ min: fc.integer({ min: 1, max: 100 }), created: fc.integer({ min: 1, max: 100 }) })
    .chain(({ min, created }) =>
      fc.record({
        min: fc.constant(min),
        max: fc.constant(100),
        created: fc.constant(created),
        running: fc.integer({ min: 0, max: created }),
        failed: fc.integer({ min: 0, max: created }),
      }),
    )
    .filter(({ created, running, failed }) => running + failed <= created)

  it('waits for every instance, and then follows the minimum', () => {
    fc.assert(
      fc.property(counts, (found) => {
        const state = completion(found)
        if (found.running + found.failed < found.created) expect(state).toBeNull()
        else if (found.running < found.min) expect(state).toBe('failed')
        else expect(state).toBe(found.failed === 0 ? 'running' : 'partially_running')
      }),
    )
  })
})
