import pg from 'pg'
import type { AttemptRow, Evidence, InstanceRow, RequestRow, TransitionRow } from './evidence.ts'

export type DatabaseEvidence = Pick<Evidence, 'requests' | 'attempts' | 'instances' | 'transitions' | 'texts'>

const REQUESTS = `
SELECT
  id::text AS "id",
  project_id AS "projectId",
  request_id AS "requestId",
  spec->>'name' AS "name",
  state::text AS "state",
  min_count AS "min",
  max_count AS "max",
  created_count AS "created",
  running_count AS "running",
  failed_count AS "failed",
  error_code AS "errorCode",
  sealed_password IS NOT NULL AS "hasPassword",
  deadline AS "deadline",
  completed_at AS "completedAt"
FROM provision_request
ORDER BY id
`

const ATTEMPTS = `
SELECT id::text AS "id", provision_request_id::text AS "provisionRequestId", number AS "number", state::text AS "state"
FROM attempt
ORDER BY id
`

const INSTANCES = `
SELECT
  n.project_id AS "projectId",
  n.id AS "id",
  n.provision_request_id::text AS "provisionRequestId",
  n.attempt_id::text AS "attemptId",
  n.state::text AS "state",
  coalesce(n.created_at > r.completed_at, false) AS "late"
FROM instance n
JOIN provision_request r ON r.id = n.provision_request_id
ORDER BY n.project_id, n.id
`

const TRANSITIONS = `
SELECT
  provision_request_id::text AS "provisionRequestId",
  version AS "version",
  from_state::text AS "from",
  to_state::text AS "to",
  cause AS "cause",
  attempt_id::text AS "attemptId"
FROM transition
ORDER BY provision_request_id, version
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
    const attempts = await client.query<AttemptRow>(ATTEMPTS)
    const instances = await client.query<InstanceRow>(INSTANCES)
    const transitions = await client.query<TransitionRow>(TRANSITIONS)
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
      attempts: attempts.rows,
      instances: instances.rows,
      transitions: transitions.rows,
      texts,
    }
  } finally {
    await client.end()
  }
}
