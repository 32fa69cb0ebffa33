import type { Wire } from '../contracts/wire.ts'
import type { Overview } from '../operations/overview-reply.ts'
import { drawAudit } from './draw-audit.ts'
import { andMore, drawBudgets, MOST } from './draw-budgets.ts'
import { type Cell, facts, table } from './table.ts'
import type { Terminal } from './terminal.ts'
import { age, at, lasting, when } from './times.ts'

export type OverviewReply = Wire<Overview>

/** Columns of a curve at the most, and of what stands beside it. */
const CURVE = 45
const BESIDE_CURVE = 40

/** The installation on one screen, the troubles first. */
export function drawOverview(terminal: Terminal, overview: OverviewReply): string[] {
  const { troubles, replicas, duties } = overview
  return [
    ...(troubles.length === 0
      ? [terminal.paint('green', 'nothing is broken')]
      : drawTroubles(terminal, troubles)),
    '',
    ...facts(terminal, [
      ['replicas', replicasOf(replicas)],
      ['overdue', overdueOf(duties)],
      ...openWork(overview),
    ]),
    ...section(
      terminal,
      `work of the last ${lasting(overview.rates.accepted.length * overview.rates.step_seconds)}`,
      drawRates(terminal, overview.rates),
    ),
    ...section(terminal, 'who waits', drawWaiting(terminal, overview.waiting)),
    ...section(terminal, 'call limits', drawBudgets(terminal, overview.budgets)),
    ...section(
      terminal,
      `uncertain: ${overview.uncertain.count}`,
      drawUncertain(terminal, overview.uncertain),
    ),
    ...section(
      terminal,
      `failed since ${at(overview.failures.since)}: ${overview.failures.count}`,
      drawFailures(terminal, overview.failures),
    ),
    ...section(
      terminal,
      `dead letters: ${overview.dead_letters.in_queue ?? 'unknown'} in the queue`,
      drawLetters(overview.dead_letters),
    ),
    ...section(
      terminal,
      'what people changed',
      overview.changes.length === 0 ? [] : drawAudit(terminal, overview.changes.slice(0, MOST)),
    ),
  ]
}

/** Left out where there is nothing in it. */
function section({ paint }: Terminal, title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', paint('bold', title), ...lines]
}

function drawTroubles({ paint }: Terminal, troubles: OverviewReply['troubles']): string[] {
  return troubles.map(({ severity, message, since }) => {
    const words = `${severity}: ${message}${since === null ? '' : `, for ${age(since)}`}`
    return paint(severity === 'broken' ? 'red' : 'yellow', words)
  })
}

/** By their roles, with the machines that they run on. */
function replicasOf(replicas: OverviewReply['replicas']): Cell {
  if (replicas.length === 0) return { text: 'none', style: 'red' }
  const groups = Map.groupBy(replicas, ({ roles, silent }) => (silent ? 'silent' : roles.join(',')))
  const told = [...groups].map(
    ([roles, group]) => `${group.length} (${group.map(({ host }) => host).join(', ')}) ${roles}`,
  )
  return told.join('; ')
}

/** What is due, and done by nobody or too late. */
function overdueOf(duties: OverviewReply['duties']): Cell {
  const late = duties.filter(({ overdue_seconds }) => overdue_seconds > 0)
  const told = late.map(({ duty, overdue_seconds }) => `${duty}, for ${lasting(overdue_seconds)}`)
  return told.length === 0 ? null : { text: told.join('; '), style: 'yellow' }
}

function openWork({ open }: OverviewReply): [string, Cell][] {
  const { queued, dispatching, uncertain, provisioning, capped, events, oldest_event_at } = open
  const more = capped ? ' or more' : ''
  return [
    [
      'under way',
      `${queued}${more} queued, ${dispatching} dispatching, ${uncertain} uncertain, ${provisioning} provisioning`,
    ],
    ['events', events === 0 ? null : `${events} not yet published, the oldest for ${age(oldest_event_at)}`],
  ]
}

const BARS = '▁▂▃▄▅▆▇█'

/** One character for each group of counts, as high as it is among them. Pure. */
export function curveOf(counts: readonly number[], columns: number): string {
  const size = Math.max(1, Math.ceil(counts.length / columns))
  const groups = Array.from({ length: Math.ceil(counts.length / size) }, (_, group) =>
    counts.slice(group * size, (group + 1) * size).reduce((sum, count) => sum + count, 0),
  )
  const highest = Math.max(...groups, 1)
  return groups.map((count) => BARS[Math.ceil((count / highest) * (BARS.length - 1))]).join('')
}

function drawRates(terminal: Terminal, rates: OverviewReply['rates']): string[] {
  const { accepted, dispatched, running, failed, published } = rates
  const minute = Math.round(60 / rates.step_seconds)
  const columns = Math.max(1, Math.min(CURVE, terminal.columns() - BESIDE_CURVE))
  const rows = Object.entries({ accepted, dispatched, running, failed, published }).map(([name, counts]) => {
    const last = counts.slice(-minute).reduce((sum, count) => sum + count, 0)
    return [name, curveOf(counts, columns), `${last} in the last minute`]
  })
  return table(terminal, [{ title: '' }, { title: '' }, { title: '', gives: true }], rows).slice(1)
}

function drawWaiting(terminal: Terminal, { rows, total }: OverviewReply['waiting']): string[] {
  if (rows.length === 0) return []
  const lines = table(
    terminal,
    [
      { title: 'project' },
      { title: 'for' },
      { title: 'requests', right: true },
      { title: 'oldest', right: true },
      { title: 'until', gives: true },
      { title: 'detail', gives: true },
    ],
    rows
      .slice(0, MOST)
      .map((row) => [
        row.project_id,
        row.reason,
        `${row.count}${row.capped ? '+' : ''}`,
        age(row.oldest.created_at),
        when(row.until),
        row.detail,
      ]),
  )
  return [...lines, ...andMore(terminal, total - Math.min(rows.length, MOST))]
}

function drawUncertain(terminal: Terminal, { sample }: OverviewReply['uncertain']): string[] {
  if (sample.length === 0) return []
  return table(
    terminal,
    [
      { title: 'project' },
      { title: 'request' },
      { title: 'for', right: true },
      { title: 'cause', gives: true },
      { title: 'found', gives: true },
      { title: 'next look', gives: true },
    ],
    sample
      .slice(0, MOST)
      .map((attempt) => [
        attempt.project_id,
        attempt.request_id,
        age(attempt.since),
        attempt.cause,
        foundOf(attempt),
        attempt.needs_person ? { text: 'needs a person: resolve', style: 'red' } : when(attempt.next_look_at),
      ]),
  )
}

/** What the looks have found, and what the last one came to: a verdict, or the error that it met. */
function foundOf({ looks, found, verdict }: OverviewReply['uncertain']['sample'][number]): string {
  if (looks === 0) return 'not looked yet'
  return `${found.length} servers, looks: ${looks}${verdict === null ? '' : `, the last: ${verdict}`}`
}

function drawFailures(terminal: Terminal, { causes }: OverviewReply['failures']): string[] {
  if (causes.length === 0) return []
  return table(
    terminal,
    [
      { title: 'code' },
      { title: 'count', right: true },
      { title: 'last', right: true },
      { title: 'project' },
      { title: 'newest' },
      { title: 'why', gives: true },
    ],
    causes
      .slice(0, MOST)
      .map(({ code, count, last, sample }) => [
        code,
        count,
        `${age(last)} ago`,
        sample.project_id,
        sample.request_id,
        sample.message,
      ]),
  )
}

function drawLetters({ by_code, in_queue }: OverviewReply['dead_letters']): string[] {
  if (by_code.length === 0 && !in_queue) return []
  const told = by_code.map(
    ({ code, count, capped, newest_at }) =>
      `${count}${capped ? '+' : ''} ${code}, the newest ${age(newest_at)} ago`,
  )
  return told.length === 0 ? ['none is in the index'] : told
}
