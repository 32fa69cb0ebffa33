import { describe, expect, test } from 'vitest'
import { OVERVIEW_EXAMPLE } from '../../src/api/operations/overview-example.ts'
import { type Standing, troublesOf } from '../../src/operations/overview-troubles.ts'

const WELL: Standing = {
  ...OVERVIEW_EXAMPLE,
  budgets: {
    ...OVERVIEW_EXAMPLE.budgets,
    projects: OVERVIEW_EXAMPLE.budgets.projects.map((one) => ({ ...one, closed_reason: null })),
    totals: { ...OVERVIEW_EXAMPLE.budgets.totals, closed: 0 },
  },
  uncertain: { count: 0, oldest_at: null, sample: [] },
  dead_letters: { in_queue: 0, by_code: [] },
  closed: {},
  polls: { answered: 1, failed: 0 },
  roles: ['intake', 'dispatch'],
  brokerReady: true,
}

const told = (changes: Partial<Standing>) =>
  troublesOf({ ...WELL, ...changes }).map(({ severity, code, message }) => [severity, code, message])

describe('troubles', () => {
  test('are none while all is well', () => {
    expect(told({})).toEqual([])
  })

  test('tell of a role that only a silent replica has', () => {
    const replicas = WELL.replicas.map((replica) => ({ ...replica, silent: true }))
    expect(told({ replicas })).toMatchObject([
      ['broken', 'role_missing', 'no replica has the role intake'],
      ['broken', 'role_missing', 'no replica has the role dispatch'],
      ['watch', 'replica_silent', expect.stringContaining('provisioner-7d9c5b6f4-x2x8q')],
    ])
  })

  test('tell of work that nobody does, and since when', () => {
    const duties = [{ duty: 'sweep', shared: false, replica_id: null, overdue_seconds: 90 }]
    const [trouble] = troublesOf({ ...WELL, duties })
    expect(trouble).toMatchObject({
      code: 'duty_overdue',
      message: 'sweep is behind: nobody does what is due',
    })
    expect(WELL.read_at.getTime() - (trouble?.since?.getTime() ?? 0)).toBe(90_000)
    expect(
      told({ duties: [{ duty: 'sweep', shared: false, replica_id: null, overdue_seconds: 5 }] }),
    ).toEqual([])
  })

  test('tell of events that do not leave, and of a broker that is away', () => {
    const open = { ...WELL.open, events: 3, oldest_event_at: new Date(WELL.read_at.getTime() - 61_000) }
    expect(told({ open, brokerReady: false })).toMatchObject([
      ['broken', 'broker_unreachable', expect.any(String)],
      ['broken', 'outbox_stuck', '3 events wait to be published'],
    ])
  })

  test('tell of polls that fail while instances are pending', () => {
    const all = { answered: 0, failed: 2 }
    expect(told({ polls: all })).toMatchObject([['broken', 'polls_fail', expect.any(String)]])
    expect(told({ polls: { answered: 6, failed: 2 } })).toEqual([
      ['watch', 'polls_fail', '2 of 8 calls that asked for instances failed'],
    ])
    expect(told({ polls: all, open: { ...WELL.open, provisioning: 0 } })).toEqual([])
  })

  test('tell of closed projects by reason, which of them, and what is broken first', () => {
    const projects = ['a', 'b', 'c', 'd'].map((project_id) => ({
      ...(OVERVIEW_EXAMPLE.budgets.projects[0] ?? expect.unreachable()),
      project_id,
      closed_reason: 'forbidden' as const,
      credential_id: null,
    }))
    const budgets = { ...WELL.budgets, projects }
    expect(told({ budgets, closed: { throttled: 1, forbidden: 4 } })).toEqual([
      ['broken', 'projects_closed', '4 projects are closed (forbidden): a, b, c, ...'],
      ['watch', 'projects_closed', '1 project is closed (throttled)'],
    ])
  })

  test('say how many calls of unknown outcome wait for a person', () => {
    const sample = OVERVIEW_EXAMPLE.uncertain.sample.map((one) => ({ ...one, needs_person: true }))
    expect(told({ uncertain: { count: 2, oldest_at: WELL.read_at, sample } })).toEqual([
      ['watch', 'uncertain', '2 calls have an unknown outcome; 1 of them needs a person'],
    ])
  })
})
