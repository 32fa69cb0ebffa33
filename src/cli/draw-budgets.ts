import type { Wire } from '../contracts/wire.ts'
import type { Overview } from '../operations/overview-reply.ts'
import { type Cell, table } from './table.ts'
import type { Terminal } from './terminal.ts'
import { when } from './times.ts'

type Budgets = Wire<Overview>['budgets']

/** Rows that each part of the overview shows at most: --json has all. */
export const MOST = 10

export const andMore = ({ paint }: Terminal, count: number) =>
  count > 0 ? [paint('dim', `and ${count} more`)] : []

/** What of each call limit is used, and which is closed. */
export function drawBudgets(terminal: Terminal, budgets: Budgets): string[] {
  const { projects, totals, credentials, paused } = budgets
  const shown = projects.slice(0, MOST)
  return [
    ...(paused === null
      ? []
      : [
          terminal.paint(
            'yellow',
            `all projects are paused by ${paused.who}: ${paused.reason}, until ${when(paused.until) ?? 'resumed'}`,
          ),
        ]),
    ...(shown.length === 0
      ? []
      : table(
          terminal,
          [
            { title: 'project' },
            { title: 'used', right: true },
            { title: 'per second', right: true },
            { title: 'at once', right: true },
            { title: 'state', gives: true },
          ],
          shown.map((project) => [
            project.project_id,
            `${Math.round(project.used_share * 100)} %`,
            `${project.rate}${project.overridden ? '*' : ''}`,
            project.burst,
            stateOf(project),
          ]),
        )),
    ...andMore(terminal, totals.projects - shown.length),
    ...credentials.slice(0, MOST).map((credential) => {
      const limit =
        credential.rate === null
          ? 'no limit of its own'
          : `${credential.rate} per second, ${credential.burst} at once`
      const closed =
        credential.closed_reason === null
          ? ''
          : `, closed: ${credential.closed_reason}, until ${when(credential.closed_until)}`
      const line = `credential ${credential.credential_id}, ${credential.projects} ${credential.projects === 1 ? 'project' : 'projects'}: ${limit}${closed}`
      return closed === '' ? line : terminal.paint('red', line)
    }),
  ]
}

function stateOf(project: Budgets['projects'][number]): Cell {
  const { closed_reason, closed_until, paused, paused_until, override_until } = project
  if (paused) return { text: `paused until ${when(paused_until) ?? 'resumed'}`, style: 'yellow' }
  if (closed_reason !== null)
    return { text: `closed: ${closed_reason}, until ${when(closed_until)}`, style: 'red' }
  return override_until === null ? 'open' : `open, * until ${when(override_until)}`
}
