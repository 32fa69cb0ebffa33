import type { ThroughPrisma } from '../database/database.ts'
import type { RunProgress } from './run.ts'

/** Takes the oldest run that is not over, from whoever had it. $1 the new holder. */
const TAKE = `
UPDATE operation_run o
SET holder = $1::uuid, started_at = coalesce(o.started_at, clock_timestamp())
WHERE o.id = (
  SELECT i.id FROM operation_run i WHERE i.finished_at IS NULL ORDER BY i.created_at, i.id LIMIT 1
)
RETURNING o.id::text AS "id", o.kind AS "kind", o.params AS "params", o.started_at AS "startedAt", o.total AS "total",
  o.done AS "done", o.passed_over AS "passedOver", o.cursor AS "cursor"
`

/** $1 run, $2 its holder, $3 total, $4 done, $5 passed over, $6 cursor, $7 error, $8 whether it is over. */
const RECORD = `
UPDATE operation_run
SET
  total = $3::int, done = $4::int, passed_over = $5::int, cursor = $6, error = $7,
  finished_at = CASE WHEN $8::bool THEN clock_timestamp() END
WHERE id = $1::uuid AND holder = $2::uuid AND finished_at IS NULL
RETURNING 1 AS "row"
`

export interface TakenRun extends RunProgress {
  id: string
  kind: string
  params: unknown
  startedAt: Date
}

/** Null when every run is over. */
export async function takeRun({ throughPrisma }: ThroughPrisma, holder: string): Promise<TakenRun | null> {
  const [run] = await throughPrisma.query<TakenRun>(TAKE, holder)
  return run ?? null
}

/** False when the run has another holder now, or is over. */
export async function recordRun(
  { throughPrisma }: ThroughPrisma,
  run: { id: string; holder: string },
  { total, done, passedOver, cursor }: RunProgress,
  { error = null, over = false }: { error?: string | null; over?: boolean } = {},
): Promise<boolean> {
  const values = [total, done, passedOver, cursor, error, over]
  return (await throughPrisma.query(RECORD, run.id, run.holder, ...values)).length > 0
}
