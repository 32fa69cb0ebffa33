import { describe, expect, it } from 'vitest'
import { type Mistake, modelRun } from '../../test/support/model-run.ts'
import { judge } from '../judge.ts'
import { countViolations, type Invariant } from '../verdict.ts'

/** The mistakes that services of this kind are known to make, and the invariant that must give each away. */
const CAUGHT_BY: Record<Exclude<Mistake, 'none'>, Invariant> = {
  ack_before_commit: 'lost',
  blind_resend: 'duplicates',
  void_without_looking: 'duplicates',
  event_outside_transaction: 'missing_events',
  relay_by_greater_position: 'missing_events',
  new_event_id_on_redelivery: 'missing_events',
  limiter_per_process: 'budget_violations',
  counts_before_last_instance: 'unfinished',
  request_forgotten: 'unfinished',
  password_in_error: 'secret_leaks',
  password_kept: 'secret_leaks',
}

describe('judging a model of the service', () => {
  it('finds nothing in a run without a mistake', () => {
    const verdict = judge(modelRun())
    expect(verdict.violations).toEqual({
      lost: [],
      duplicates: [],
      unfinished: [],
      missing_events: [],
      budget_violations: [],
      secret_leaks: [],
    })
    expect(verdict.unexpected).toEqual([])
    expect(verdict.ok).toBe(true)
  })

  it.each(Object.entries(CAUGHT_BY) as [Mistake, Invariant][])('catches %s by %s', (mistake, invariant) => {
    const verdict = judge(modelRun(mistake))
    expect(verdict.ok).toBe(false)
    expect(countViolations(verdict)[invariant]).toBeGreaterThan(0)
  })
})
