import { OVERVIEW_EXAMPLE } from '../../src/api/operations/overview-example.ts'
import type { Overview } from '../replies.ts'

/** What the service might answer, as JSON; `changes` replace its members. */
export function madeUpOverview(changes: Partial<Overview> = {}): Overview {
  const example: Overview = JSON.parse(JSON.stringify(OVERVIEW_EXAMPLE))
  return { ...example, read_at: new Date().toISOString(), ...changes }
}

/** An installation where nothing is wrong. */
export function wellOverview(): Overview {
  const { budgets, open } = madeUpOverview()
  return madeUpOverview({
    troubles: [],
    open: { ...open, queued: 0, uncertain: 0 },
    waiting: { by_reason: [], rows: [], total: 0 },
    uncertain: { count: 0, oldest_at: null, sample: [] },
    failures: { since: new Date().toISOString(), count: 0, causes: [], truncated: false },
    dead_letters: { in_queue: 0, by_code: [] },
    changes: [],
    budgets: { ...budgets, projects: [], credentials: [], totals: { ...budgets.totals, closed: 0 } },
  })
}

/** A hundred of a thousand projects, with long names among them. */
export function crowdedOverview(): Overview {
  const { budgets, waiting } = madeUpOverview()
  const [budget] = budgets.projects
  const [row] = waiting.rows
  if (budget === undefined || row === undefined) throw new Error('the example names no project')
  const names = Array.from({ length: 100 }, (_, n) =>
    n === 1 ? 'a-project-with-a-name-of-sixty-four-characters-which-is-the-most0' : `project-${n + 1}`,
  )
  return madeUpOverview({
    budgets: {
      ...budgets,
      projects: names.map((project_id) => ({ ...budget, project_id })),
      totals: { ...budgets.totals, projects: 1000, waiting: 1000 },
    },
    waiting: { ...waiting, rows: names.map((project_id) => ({ ...row, project_id })), total: 1000 },
  })
}
