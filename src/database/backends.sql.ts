import type { Sql } from './statement.ts'

/** One connection as the server knows it. Process ids are reused, so the start of the process is part of it. */
export interface Backend {
  pid: number
  /** As Postgres writes it. */
  startedAt: string
}

/** The backend of the connection that asks. */
export const THIS_BACKEND = `
SELECT pid, backend_start::text AS "startedAt"
FROM pg_stat_activity
WHERE pid = pg_backend_pid()
`

/**
 * Of these backends, those from which no answer can come any more: the server has no such backend, or it has been idle
 * for a while. One that still works on a statement, or waits for a lock, is not lost.
 *
 * $1 process ids, $2 their starts, $3 milliseconds of idleness.
 */
const FIND_LOST = `
SELECT asked.pid AS "pid"
FROM unnest($1::int[], $2::timestamptz[]) AS asked (pid, started_at)
LEFT JOIN pg_stat_activity backend ON backend.pid = asked.pid AND backend.backend_start = asked.started_at
WHERE backend.pid IS NULL
  OR (
    backend.state LIKE 'idle%'
    AND backend.state_change < clock_timestamp() - make_interval(secs => $3::float8 / 1000)
  )
`

/** Ends backends, and with them their transactions. $1 process ids, $2 their starts. */
const END = `
SELECT pg_terminate_backend(backend.pid)
FROM unnest($1::int[], $2::timestamptz[]) AS asked (pid, started_at)
JOIN pg_stat_activity backend ON backend.pid = asked.pid AND backend.backend_start = asked.started_at
`

export async function findLostBackends(
  sql: Sql,
  backends: readonly Backend[],
  idleMs: number,
): Promise<Backend[]> {
  const rows = await sql.query<{ pid: number }>(FIND_LOST, ...columns(backends), idleMs)
  const lost = new Set(rows.map((row) => row.pid))
  return backends.filter(({ pid }) => lost.has(pid))
}

export async function endBackends(sql: Sql, backends: readonly Backend[]): Promise<void> {
  await sql.query(END, ...columns(backends))
}

function columns(backends: readonly Backend[]): [number[], string[]] {
  return [backends.map(({ pid }) => pid), backends.map(({ startedAt }) => startedAt)]
}
