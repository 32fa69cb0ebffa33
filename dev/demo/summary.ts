import { INVARIANTS, type Invariant, type Verdict, type Violation } from '../../checker/verdict.ts'
import type { Batch } from './messages.ts'
import type { DemoOptions } from './options.ts'
import type { Report } from './report.ts'
import type { Paint } from './screen.ts'
import { STATE_STYLES } from './view.ts'

/** Violations of one kind that are listed one by one. */
const LISTED = 10

const MEANINGS: Record<string, string> = {
  running: 'every server runs',
  partially_running: 'at least the minimum runs',
  failed: 'refused by CloudDC, or too few servers run',
  expired: 'the deadline passed before a call',
}

const QUESTIONS: Record<Invariant, string> = {
  lost: 'every message is a row or a dead letter',
  duplicates: 'no order was placed twice, every server is known',
  unfinished: 'every request ended as the ledger justifies',
  missing_events: 'every event came, once by id, in order',
  budget_violations: 'no window had more calls than allowed',
  secret_leaks: 'no password in logs, events, metrics, HTTP, tables',
}

/** The end of the demo's output: what became of everything, and the verdict. */
export function summarise({
  report,
  verdict,
  batch,
  options,
  paint,
}: {
  report: Report
  verdict: Verdict
  batch: Pick<Batch, 'copies' | 'conflicts' | 'invalid'>
  options: DemoOptions
  paint: Paint
}): string[] {
  const { states, instances, events, calls, budget, unanswered } = report
  const total = Object.values(events).reduce((sum, count) => sum + count, 0)
  const stateRows = STATE_STYLES.flatMap(([state, style]) =>
    states[state] ? [row(paint(style, state.padEnd(18)), states[state], MEANINGS[state] ?? 'not ended')] : [],
  )
  const rejections = Object.entries(report.rejections).map(([code, count]) => `${code} ${count}`)
  return [
    '',
    paint('bold', `  ${report.requests} requests over ${options.projects} projects`),
    ...stateRows,
    '',
    paint('bold', '  and messages that were none'),
    row('duplicates'.padEnd(18), batch.copies, 'acknowledged, nothing happened'),
    row('dead letters'.padEnd(18), report.deadLetters, wrap(rejections)),
    '',
    paint('bold', "  CloudDC's ledger"),
    row(
      'servers'.padEnd(18),
      instances.created,
      `${instances.running} running, ${instances.failed} did not boot`,
    ),
    row('batch-create'.padEnd(18), calls.batchCreate, `${calls.throttled} throttled`),
    row(
      'answers lost'.padEnd(18),
      unanswered.adopted + unanswered.voided,
      `${unanswered.adopted} orders found and adopted, ${unanswered.voided} sent again`,
    ),
    row(
      'list, status'.padEnd(18),
      calls.list + calls.status,
      `${calls.list} listings, ${calls.status} single`,
    ),
    ...(budget === null ? [] : [budgetRow(budget, options)]),
    '',
    paint('bold', `  ${total} events`),
    ...Object.entries(events)
      .toSorted(([a], [b]) => a.localeCompare(b))
      .map(([kind, count]) => row(kind.padEnd(18), count, '')),
    '',
    paint('bold', '  Invariants, judged from outside'),
    ...(Object.keys(INVARIANTS) as Invariant[]).flatMap((name) =>
      verdictRows(name, verdict.violations[name], paint),
    ),
    ...listed('something else is out of order', verdict.unexpected, paint),
    '',
    conclusion(report, paint),
    '',
  ]
}

function row(label: string, count: number, note: string): string {
  return `    ${label} ${String(count).padStart(6)}   ${note}`.trimEnd()
}

function budgetRow({ usedPercent }: NonNullable<Report['budget']>, { rate, burst }: DemoOptions): string {
  const allowed = `of ${burst} + ${rate} per second, the busiest project`
  return `    ${'call budget used'.padEnd(18)} ${`${usedPercent.toFixed(0)} %`.padStart(6)}   ${allowed}`
}

function verdictRows(name: Invariant, violations: readonly Violation[], paint: Paint): string[] {
  const label = INVARIANTS[name].padEnd(20)
  if (violations.length === 0) return [`    ${paint('green', '✔')} ${label} ${paint('dim', QUESTIONS[name])}`]
  return listed(label.trimEnd(), violations, paint)
}

function listed(label: string, violations: readonly Violation[], paint: Paint): string[] {
  if (violations.length === 0) return []
  const shown = violations.slice(0, LISTED).map(({ subject, message }) => `        ${subject}: ${message}`)
  const rest = violations.length - shown.length
  return [
    `    ${paint('red', '✘')} ${label}: ${paint('red', String(violations.length))}`,
    ...shown,
    ...(rest > 0 ? [`        and ${rest} more`] : []),
  ]
}

function conclusion({ ok, seconds, requests }: Report, paint: Paint): string {
  const time = `${seconds.toFixed(1)} s from the first message to the last end`
  return ok
    ? `  ${paint('green', paint('bold', `All ${requests} requests ended as they should.`))} ${time}.`
    : `  ${paint('red', paint('bold', 'Not everything is as it should be: see above.'))} ${time}.`
}

/** Several short notes in a column of 42. */
function wrap(notes: readonly string[]): string {
  const lines = ['']
  for (const note of notes) {
    const last = lines.at(-1) ?? ''
    if (last !== '' && last.length + note.length > 40) lines.push(note)
    else lines[lines.length - 1] = last === '' ? note : `${last}, ${note}`
  }
  return lines.join(`,\n${' '.repeat(32)}`)
}
