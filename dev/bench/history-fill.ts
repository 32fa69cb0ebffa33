import pg from 'pg'

const CHUNK = 250_000
/** Finished requests lie this far back, so that nothing of them is due for retention. */
const FIRST_DAYS_AGO = 20
const SPAN_DAYS = 15

/** An id shaped like a UUIDv7, ascending with n, the same whenever it is asked for. */
const ID = (kind: number) =>
  `(lpad(to_hex(1700000000000 + n), 12, '0') || '7000800${kind}' || lpad(to_hex(n), 12, '0'))::uuid`
const PROJECT = `'old-project-' || n % 1000`
const AT = `now() - make_interval(days => ${FIRST_DAYS_AGO}) + make_interval(secs => n::float8 / $3 * ${SPAN_DAYS * 86_400})`

/** Each takes $1 and $2, the first and last number, and $3, how many there will be. */
const REQUESTS = `
INSERT INTO provision_request (
  id, project_id, request_id, content_digest, password_digest, spec, state, version, priority, min_count, max_count,
  attempts, attempt_number, created_count, running_count, created_at, updated_at, dispatched_at, completed_at
)
SELECT ${ID(1)}, ${PROJECT}, 'old-order-' || n, sha256(n::text::bytea), 'bench:' || md5(n::text) || md5(n::text),
  jsonb_build_object(
    'name', 'n-' || n, 'image_id', md5(n::text), 'vpc_id', md5(n::text),
    'network_interfaces', jsonb_build_array(jsonb_build_object('subnet_id', md5(n::text))),
    'metadata', jsonb_build_object('team', 'platform', 'purpose', 'measurement'), 'min_count', 1, 'max_count', 1
  ),
  'running', 4, 0, 1, 1, 1, 1, 1, 1, at, at, at, at
FROM (SELECT n, ${AT} AS at FROM generate_series($1::bigint, $2::bigint) n) numbered`

const ATTEMPTS = `
INSERT INTO attempt (
  id, provision_request_id, project_id, number, state, started_at, finished_at, http_status, evidence
)
SELECT ${ID(2)}, ${ID(1)}, ${PROJECT}, 1, 'created', at, at, 202, '{"http_status": 202, "instances": 1}'
FROM (SELECT n, ${AT} AS at FROM generate_series($1::bigint, $2::bigint) n) numbered`

const INSTANCES = `
INSERT INTO instance (
  project_id, id, provision_request_id, attempt_id, name, server_id, state, upstream_state, created_at, running_at, polls
)
SELECT ${PROJECT}, ${ID(3)}::text, ${ID(1)}, ${ID(2)}, 'n-' || n, 'server-' || n, 'running', 'running', at, at, 1
FROM (SELECT n, ${AT} AS at FROM generate_series($1::bigint, $2::bigint) n) numbered`

const TRANSITIONS = `
INSERT INTO transition (provision_request_id, version, at, from_state, to_state, cause, attempt_id)
SELECT ${ID(1)}, step.version, at, step.from_state::request_state, step.to_state::request_state, step.cause,
  CASE WHEN step.version > 1 THEN ${ID(2)} END
FROM (SELECT n, ${AT} AS at FROM generate_series($1::bigint, $2::bigint) n) numbered
CROSS JOIN (VALUES
  (1, NULL, 'queued', 'accepted'), (2, 'queued', 'dispatching', 'claimed'),
  (3, 'dispatching', 'provisioning', 'created'), (4, 'provisioning', 'running', 'instances_ended')
) AS step(version, from_state, to_state, cause)
ORDER BY n, step.version`

/**
 * Fills a database with `count` finished requests, their attempts, instances and history: 7 rows each. Constraints
 * hold for all of them; foreign keys are not asked, and secondary indexes are built at the end.
 */
export async function fillHistory(
  databaseUrl: string,
  count: number,
  log: (line: string) => void,
): Promise<void> {
  if (count === 0) return
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    await client.query('SET session_replication_role = replica')
    await client.query('SET synchronous_commit = off')
    await client.query("SET maintenance_work_mem = '512MB'")
    const { rows: indexes } = await client.query<{ name: string; definition: string }>(`
      SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition
      FROM pg_index i
      JOIN pg_class c ON c.oid = i.indrelid
      WHERE c.relname IN ('provision_request', 'attempt', 'instance') AND NOT i.indisprimary`)
    for (const { name } of indexes) await client.query(`DROP INDEX ${name}`)
    for (let first = 1; first <= count; first += CHUNK) {
      const last = Math.min(first + CHUNK - 1, count)
      for (const text of [REQUESTS, ATTEMPTS, INSTANCES, TRANSITIONS]) {
        await client.query(text, [first, last, count])
      }
      if (last % 1_000_000 === 0) log(`${last / 1e6} million finished requests written`)
    }
    for (const { definition } of indexes) await client.query(definition)
    await client.query('VACUUM (ANALYZE) provision_request, attempt, instance, transition')
    await client.query('CHECKPOINT')
    log(`${count} finished requests are there`)
  } finally {
    await client.end()
  }
}
