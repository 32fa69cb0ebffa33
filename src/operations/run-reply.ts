import type { Run } from '../contracts/operations.ts'
import { namedParams } from './run.ts'

/** A run as it is stored. */
export interface RunRow {
  id: string
  kind: string
  params: unknown
  createdAt: Date
  startedAt: Date | null
  finishedAt: Date | null
  total: number | null
  done: number
  passedOver: number
  error: string | null
}

/** A run as the API shows it. Pure. */
export function runReply(row: RunRow, now: () => number = Date.now): Run {
  const { id, total, done, error, createdAt, startedAt, finishedAt } = row
  const seconds = startedAt === null ? 0 : ((finishedAt?.getTime() ?? now()) - startedAt.getTime()) / 1000
  return {
    ...{ id, total, done, error },
    kind: row.kind as Run['kind'],
    state: stateOf(row),
    params: namedParams(row.params as object),
    passed_over: row.passedOver,
    per_second: seconds > 0 ? Math.round((done / seconds) * 10) / 10 : 0,
    created_at: createdAt,
    started_at: startedAt,
    finished_at: finishedAt,
  }
}

function stateOf({ startedAt, finishedAt, error }: RunRow): Run['state'] {
  if (startedAt === null) return 'waiting'
  if (finishedAt === null) return 'running'
  return error === null ? 'done' : 'failed'
}
