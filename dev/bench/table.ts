import type { ScenarioResult } from './scenario.ts'
import type { ScenarioName } from './scenario-names.ts'
import { type Figures, round } from './statistics.ts'

export type Results = Partial<Record<ScenarioName, ScenarioResult>>

const HEAD = ['scenario', 'value', 'unit', 'raw', 'ratio', 'spread of ratio', 'target', 'met']

/** One row per scenario, as cells. */
export function tableRows(results: Results): string[][] {
  return Object.entries(results).map(([name, result]) => [
    name,
    String(result.value),
    result.unit,
    result.raw === null ? '' : String(result.raw),
    result.ratio === null ? '' : String(result.ratio),
    spreadOf(result.spread?.ratio),
    result.target,
    result.met ? 'yes' : 'no',
  ])
}

export function plainTable(results: Results): string {
  const rows = [HEAD, ...tableRows(results)]
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

export function markdownTable(results: Results): string {
  const rows = tableRows(results).map((row) => `| ${row.join(' | ')} |`)
  return [`| ${HEAD.join(' | ')} |`, `|${HEAD.map(() => '---').join('|')}|`, ...rows].join('\n')
}

function spreadOf(figures: Figures | undefined): string {
  return figures === undefined ? '' : `${round(figures.min)} - ${round(figures.max)}`
}
