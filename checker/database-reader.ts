import pg from 'pg'
import type { Evidence, InstanceRow, RequestRow } from './evidence.ts'
import { readHistories, type StoredHistory } from './histories.ts'

export type DatabaseEvidence = Pick<Evidence, 'requests' | 'attempts' | 'instances' | 'transitions' | 'texts'>

const REQUESTS = `
SELECT
  id::text AS "id",
  project_id AS "projectId",
  request_id AS "requestId",
  spec::json->>'name' AS "name",
  state::text AS "state",
  min_count AS "min",
  max_count AS "max",
  created_count AS "created",
  running_count AS "running",
  failed_count AS "failed",
  error_code AS "errorCode",
  sealed_password IS NOT NULL AS "hasPassword",
  deadline AS "deadline",
  created_at AS "createdAt",
  completed_at AS "completedAt"
FROM provision_request
ORDER BY id
`

const INSTANCES = `
SELECT
  n.project_id AS "projectId",
  n.id AS "id",
  n.provision_request_id::text AS "provisionRequestId",
  n.provision_request_id || '.' || n.attempt AS "attemptId",
  n.state::text AS "state",
  coalesce(n.created_at > r.completed_at, false) AS "late"
FROM instance n
JOIN provision_request r ON r.id = n.provision_request_id
ORDER BY n.project_id, n.id
`

/** The parts of a history in their order, the row's own text last. */
const HISTORIES = `
SELECT
  r.id::text AS "id",
  concat(
    (SELECT string_agg(p.history, '' ORDER BY p.version) FROM history_part p WHERE p.provision_request_id = r.id),
    r.history
  ) AS "lines"
FROM provision_request r
ORDER BY r.id
`

const TABLES = `
SELECT c.relname AS "name"
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p')
ORDER BY c.relname
`

/** Reads the tables over a connection that cannot write. Each row of each table also comes as text, bytes as hex. */
export async function readDatabase(url: string): Promise<DatabaseEvidence> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 })
  await client.connect()
  try {
    // One snapshot, so that the tables agree with each other.
    await client.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY')
    const requests = await client.query<Omit<RequestRow, 'waiting'>>(REQUESTS)
    const instances = await client.query<InstanceRow>(INSTANCES)
    const histories = await client.query<StoredHistory>(HISTORIES)
    const tables = await client.query<{ name: string }>(TABLES)
    const texts: { source: string; text: string }[] = []
    for (const { name } of tables.rows) {
      const { rows } = await client.query<{ row: string }>(
        `SELECT t::text AS row FROM ${pg.escapeIdentifier(name)} t`,
      )
      texts.push({ source: `table ${name}`, text: rows.map(({ row }) => row).join('\n') })
    }
    await client.query('COMMIT')
    return {
      requests: requests.rows.map((row) => ({ ...row, waiting: null })),
      instances: instances.rows,
      ...readHistories(histories.rows),
      texts,
    }
  } finally {
    await client.end()
  }
}
