import pg from 'pg'
import type { Sql } from '../../src/database/database.ts'

/** What one statement did, by EXPLAIN (ANALYZE, BUFFERS). */
export interface StatementPlan {
  ms: number
  /** Pages looked at, whether they were in memory or not. */
  buffers: number
  /** Rows that scans of tables and indexes brought up, those filtered away included. */
  rows_touched: number
  /** Tables that were read from end to end. */
  sequential: string[]
  indexes: string[]
  /** The most rows that one of many probes of an index brought up, on average: 1 where each finds its row. */
  rows_per_probe: number
}

/** A scan that runs this often probes for one row after the other. */
const MANY = 20

interface PlanNode {
  'Node Type': string
  'Relation Name'?: string
  'Index Name'?: string
  'Actual Rows'?: number
  'Actual Loops'?: number
  'Rows Removed by Filter'?: number
  'Rows Removed by Index Recheck'?: number
  'Shared Hit Blocks'?: number
  'Shared Read Blocks'?: number
  Plans?: PlanNode[]
}

/**
 * A database that explains each statement before it runs it, inside the transaction that `client` is in, with the plan
 * for any values that the service's connections keep; the explained execution is taken back. `report` gets the plan and
 * the rows that the real execution returned.
 */
export function createExplainingSql(
  client: pg.ClientBase,
  report: (plan: StatementPlan, rows: number) => void,
): Sql {
  return {
    query: async <Row>(text: string, ...values: unknown[]): Promise<Row[]> => {
      await client.query(`PREPARE explained AS ${text}`)
      await client.query('SAVEPOINT before')
      const call = values.length === 0 ? 'explained' : `explained(${values.map(literal).join(', ')})`
      const explained = await client.query<{ 'QUERY PLAN': { Plan: PlanNode; 'Execution Time': number }[] }>(
        `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE ${call}`,
      )
      await client.query('ROLLBACK TO SAVEPOINT before')
      await client.query('DEALLOCATE explained')
      const { rows } = await client.query({ text, values })
      const [plan] = explained.rows[0]?.['QUERY PLAN'] ?? []
      if (plan !== undefined) report(summarise(plan.Plan, plan['Execution Time']), rows.length)
      return rows as Row[]
    },
  }
}

/** A value of a hot statement: a number, a text, or a list of ids. */
function literal(value: unknown): string {
  if (value === null) return 'NULL'
  return pg.escapeLiteral(Array.isArray(value) ? `{${value.join(',')}}` : String(value))
}

function summarise(root: PlanNode, ms: number): StatementPlan {
  const sequential = new Set<string>()
  const indexes = new Set<string>()
  let touched = 0
  let rowsPerProbe = 0
  const visit = (node: PlanNode) => {
    const table = node['Relation Name']
    const index = node['Index Name']
    const executed = (node['Actual Loops'] ?? 0) > 0
    if (executed && index !== undefined) indexes.add(index)
    if (executed && node['Node Type'].endsWith('Scan') && (table !== undefined || index !== undefined)) {
      const perLoop =
        (node['Actual Rows'] ?? 0) +
        (node['Rows Removed by Filter'] ?? 0) +
        (node['Rows Removed by Index Recheck'] ?? 0)
      if ((node['Actual Loops'] ?? 0) >= MANY) rowsPerProbe = Math.max(rowsPerProbe, perLoop)
      touched += perLoop * (node['Actual Loops'] ?? 0)
      if (node['Node Type'] === 'Seq Scan' && table !== undefined) sequential.add(table)
    }
    for (const child of node.Plans ?? []) visit(child)
  }
  visit(root)
  return {
    ms: Math.round(ms * 100) / 100,
    buffers: (root['Shared Hit Blocks'] ?? 0) + (root['Shared Read Blocks'] ?? 0),
    rows_touched: Math.round(touched),
    sequential: [...sequential],
    indexes: [...indexes],
    rows_per_probe: rowsPerProbe,
  }
}
