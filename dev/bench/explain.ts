import pg from 'pg'
import type { Sql, ThroughPrisma } from '../../src/database/database.ts'
import { SESSION_SETTINGS } from '../../src/database/pool.ts'

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
  /** Indexes, but for partial ones, that were read without a key: the whole table, unless a limit came first. */
  whole: string[]
  /** The most rows that one of many probes of an index brought up, on average: 1 where each finds its row. */
  rows_per_probe: number
}

/** A scan that runs this often probes for one row after the other. */
const MANY = 20

interface PlanNode {
  'Node Type': string
  'Relation Name'?: string
  'Index Name'?: string
  'Index Cond'?: string
  'Actual Rows'?: number
  'Actual Loops'?: number
  'Rows Removed by Filter'?: number
  'Rows Removed by Index Recheck'?: number
  'Shared Hit Blocks'?: number
  'Shared Read Blocks'?: number
  Plans?: PlanNode[]
}

export type ExplainedStatements = Record<string, StatementPlan & { rows_returned: number }>

/** The database for the statement that is called so; the first time counts. */
export type Explain = (name: string) => Sql & ThroughPrisma

/** What a walk of statements works with. */
export interface Walk {
  as: Explain
  /** Without being explained. */
  plain: Sql & ThroughPrisma
}

/** Walks through statements on a database as it is, each explained. Nothing of it stays. */
export async function explainStatements(
  pool: pg.Pool,
  walk: (tools: Walk) => Promise<void>,
): Promise<ExplainedStatements> {
  const explained: ExplainedStatements = {}
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    for (const [name, value] of Object.entries(SESSION_SETTINGS)) {
      await client.query(`SELECT set_config('${name}', '${value}', true)`)
    }
    const partial = await partialIndexes(client)
    const as: Explain = (name) =>
      bothWays(
        createExplainingSql(client, partial, (plan, rows) => {
          explained[name] ??= { ...plan, rows_returned: rows }
        }),
      )
    const plain: Sql = {
      query: async <Row>(text: string, ...values: unknown[]) =>
        (await client.query(text, values)).rows as Row[],
    }
    await walk({ as, plain: bothWays(plain) })
    return explained
  } finally {
    await client.query('ROLLBACK')
    client.release()
  }
}

const bothWays = (sql: Sql): Sql & ThroughPrisma => ({ ...sql, throughPrisma: sql })

async function partialIndexes(client: pg.ClientBase): Promise<Set<string>> {
  const { rows } = await client.query<{ name: string }>(
    'SELECT indexrelid::regclass::text AS name FROM pg_index WHERE indpred IS NOT NULL',
  )
  return new Set(rows.map(({ name }) => name))
}

/**
 * A database that explains each statement before it runs it, inside the transaction that `client` is in, with the plan
 * for any values that the service's connections keep; the explained execution is taken back. `report` gets the plan and
 * the rows that the real execution returned.
 */
function createExplainingSql(
  client: pg.ClientBase,
  partial: ReadonlySet<string>,
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
      if (plan !== undefined) report(summarise(plan.Plan, plan['Execution Time'], partial), rows.length)
      return rows as Row[]
    },
  }
}

/** A value of a hot statement: a number, a text, or a list of ids. */
function literal(value: unknown): string {
  if (value === null) return 'NULL'
  return pg.escapeLiteral(Array.isArray(value) ? `{${value.join(',')}}` : String(value))
}

function summarise(root: PlanNode, ms: number, partial: ReadonlySet<string>): StatementPlan {
  const sequential = new Set<string>()
  const indexes = new Set<string>()
  const whole = new Set<string>()
  let touched = 0
  let rowsPerProbe = 0
  const visit = (node: PlanNode) => {
    const table = node['Relation Name']
    const index = node['Index Name']
    const executed = (node['Actual Loops'] ?? 0) > 0
    if (executed && index !== undefined) indexes.add(index)
    if (executed && index !== undefined && node['Index Cond'] === undefined && !partial.has(index))
      whole.add(index)
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
    whole: [...whole],
    rows_per_probe: rowsPerProbe,
  }
}
