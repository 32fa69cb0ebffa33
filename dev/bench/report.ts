import { readFileSync, writeFileSync } from 'node:fs'
import type { ExplainedStatements } from './explain.ts'
import { markdownTable, type Results } from './table.ts'

export interface BenchReport {
  scenarios: Results
  machine: Readonly<Record<string, string | number>>
  quick: boolean
  failed: readonly string[]
}

const BEGIN = '<!-- figures: written by npm run bench -- --write -->'
const END = '<!-- end of figures -->'

/** Replaces what stands between the two marks of a document by the figures of a run. @throws when a mark is missing */
export function writeFigures(file: string, report: BenchReport): void {
  const text = readFileSync(file, 'utf8')
  const from = text.indexOf(BEGIN)
  const to = text.indexOf(END)
  if (from < 0 || to < from) throw new Error(`${file} has no place for figures: ${BEGIN} ... ${END}`)
  writeFileSync(file, `${text.slice(0, from + BEGIN.length)}\n\n${figures(report)}\n\n${text.slice(to)}`)
}

export function figures({ scenarios, machine }: BenchReport): string {
  const {
    intake,
    end_to_end: endToEnd,
    latency,
    limiter,
    history,
    backlog,
    flood,
    polling,
    hostile,
  } = scenarios
  const blocks = [
    sentence('Measured on', machine),
    markdownTable(scenarios),
    intake && processorTable('intake', intake.details),
    endToEnd && processorTable('end_to_end', endToEnd.details),
    limiter && `\`limiter\`, by replicas:\n\n${recordsTable(limiter.details.runs as Row[])}`,
    backlog &&
      sentence('`backlog`:', { ...backlog.details, ...nested(backlog.details.first_call_s, 'first_call_s') }),
    flood && sentence('`flood`:', flood.details),
    polling &&
      sentence('`polling`:', { ...polling.details, ...nested(polling.details.detection, 'detection') }),
    hostile &&
      `\`hostile\`, the worst by times JSON.parse:\n\n${recordsTable(hostile.details.bodies as Row[])}`,
    history && historyPlot(history.details.requests_per_second as HistoryPoint[]),
    latency && latencyPlot(latency.details),
    history && statementsTable(history.details.statements as ExplainedStatements),
  ]
  return blocks.filter((block) => typeof block === 'string').join('\n\n')
}

type Row = Readonly<Record<string, unknown>>
type HistoryPoint = { finished: number; median: number }
type Curve = readonly [share: number, ms: number][]

function processorTable(name: string, details: Row): string {
  const rows = Object.entries(details.cpu as Readonly<Record<string, Row>>).map(([pipeline, cpu]) => ({
    pipeline: pipeline.replaceAll('_', ' '),
    'requests/s': cpu.requests_per_second,
    'its own process': cpu.node_ms,
    PostgreSQL: cpu.postgres_ms,
    RabbitMQ: Number.isNaN(cpu.rabbitmq_ms) ? '' : cpu.rabbitmq_ms,
    counted: cpu.counted_ms,
  }))
  return `${sentence(`\`${name}\`:`, details)} Processor milliseconds per request:\n\n${recordsTable(rows)}`
}

function nested(value: unknown, prefix: string): Row {
  return Object.fromEntries(Object.entries(value as Row).map(([name, own]) => [`${prefix}_${name}`, own]))
}

/** The plain values of a record, as one line; whatever has parts is left out. */
function sentence(head: string, values: Row): string {
  const parts = Object.entries(values).filter(([, value]) => typeof value !== 'object')
  return `${head} ${parts.map(([name, value]) => `${name.replaceAll('_', ' ')} ${value}`).join(', ')}.`
}

function recordsTable(rows: readonly Row[]): string {
  const [first] = rows
  if (first === undefined) return ''
  const names = Object.keys(first)
  return [
    `| ${names.map((name) => name.replaceAll('_', ' ')).join(' | ')} |`,
    `|${names.map(() => '---').join('|')}|`,
    ...rows.map((row) => `| ${names.map((name) => String(row[name] ?? '')).join(' | ')} |`),
  ].join('\n')
}

function historyPlot(points: readonly HistoryPoint[]): string {
  const highest = Math.max(...points.map((point) => point.median))
  return mermaid([
    'xychart-beta',
    '  title "Requests per second, by finished requests in the tables"',
    `  x-axis [${points.map((point) => `"${point.finished.toLocaleString('en')}"`).join(', ')}]`,
    `  y-axis "requests/s" 0 --> ${Math.ceil((highest * 1.1) / 100) * 100}`,
    `  bar [${points.map((point) => Math.round(point.median)).join(', ')}]`,
  ])
}

function latencyPlot(details: Row): string {
  const call = details.publish_to_call_percentiles_ms as Curve
  const event = details.running_to_event_percentiles_ms as Curve
  const shares = call.filter(([share]) => share <= 0.99).map(([share]) => share)
  const at = (curve: Curve) => shares.map((share) => curve.find(([own]) => own === share)?.[1] ?? 0)
  return mermaid([
    'xychart-beta',
    '  title "Latency by percentile, ms: publish to call (lower line), running to event (upper line)"',
    `  x-axis [${shares.map((share) => `p${Math.round(share * 1000) / 10}`).join(', ')}]`,
    `  y-axis "ms" 0 --> ${Math.ceil(Math.max(...at(call), ...at(event)) * 1.1)}`,
    `  line [${at(call).join(', ')}]`,
    `  line [${at(event).join(', ')}]`,
  ])
}

function statementsTable(statements: ExplainedStatements): string {
  const rows = Object.entries(statements).map(([statement, plan]) => ({
    statement,
    ms: plan.ms,
    buffers: plan.buffers,
    rows_touched: plan.rows_touched,
    rows_returned: plan.rows_returned,
    tables_read_whole: plan.sequential.length === 0 ? 'none' : plan.sequential.join(', '),
  }))
  return `Hot statements on the largest history, each for a hundred requests:\n\n${recordsTable(rows)}`
}

function mermaid(lines: readonly string[]): string {
  return ['```mermaid', ...lines, '```'].join('\n')
}
