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

/** The history of a request that went its way at once, as its row holds it. */
const HISTORY = `
  format('{"v":1,"at":%s,"to":"queued","cause":"accepted"}', ms) || E'\\n'
  || format('{"v":2,"at":%s,"to":"dispatching","cause":"claimed","attempt":1}', ms) || E'\\n'
  || format(
    '{"v":3,"at":%s,"to":"provisioning","cause":"created","attempt":1,"outcome":"created",'
    '"evidence":{"http_status":202,"instances":1},"instances":["%s"]}', ms, ${ID(3)}
  ) || E'\\n'
  || format(
    '{"v":4,"at":%s,"to":"running","cause":"instances_ended",'
    '"counts":{"min":1,"max":1,"created":1,"running":1,"failed":0}}', ms
  ) || E'\\n'`

/** Each takes $1 and $2, the first and last number, and $3, how many there will be. */
const NUMBERED = `(
  SELECT n, at, (extract(epoch FROM at) * 1000)::bigint AS ms
  FROM (SELECT n, ${AT} AS at FROM generate_series($1::bigint, $2::bigint) n) timed
) numbered`

const REQUESTS = `
INSERT INTO provision_request (
  id, project_id, request_id, content_digest, password_digest, spec, priority, min_count, max_count, created_at,
  state, previous_state, version, attempts, attempt_number, created_count, running_count, updated_at, dispatched_at,
  completed_at, instance_ids, history
)
SELECT ${ID(1)}, ${PROJECT}, 'old-order-' || n, sha256(n::text::bytea), 'bench:' || md5(n::text) || md5(n::text),
  json_build_object(
    'name', 'n-' || n, 'image_id', md5(n::text), 'vpc_id', md5(n::text),
    'network_interfaces', json_build_array(json_build_object('subnet_id', md5(n::text))),
    'metadata', json_build_object('team', 'platform', 'purpose', 'measurement'), 'min_count', 1, 'max_count', 1
  )::text,
  0, 1, 1, at, 'running', 'provisioning', 4, 1, 1, 1, 1, at, at, at, ARRAY[${ID(3)}::text], ${HISTORY}
FROM ${NUMBERED}`

const INSTANCES = `
INSERT INTO instance (
  project_id, id, provision_request_id, attempt, created_at, state, name, server_id, upstream_state, running_at,
  ended_version, ended_at
)
SELECT ${PROJECT}, ${ID(3)}::text, ${ID(1)}, 1, at, 'running', 'n-' || n, 'server-' || n, 'running', at, 4, at
FROM ${NUMBERED}`

/**
 * Fills a database with `count` finished requests and their instances. Constraints hold for all of them; secondary
 * indexes are built at the end.
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
    await client.query('SET synchronous_commit = off')
    await client.query("SET maintenance_work_mem = '512MB'")
    const { rows: indexes } = await client.query<{ name: string; definition: string }>(`
      SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition
      FROM pg_index i
      JOIN pg_class c ON c.oid = i.indrelid
      WHERE c.relname IN ('provision_request', 'instance') AND NOT i.indisprimary`)
    for (const { name } of indexes) await client.query(`DROP INDEX ${name}`)
    for (let first = 1; first <= count; first += CHUNK) {
      const last = Math.min(first + CHUNK - 1, count)
      for (const text of [REQUESTS, INSTANCES]) await client.query(text, [first, last, count])
      if (last % 1_000_000 === 0) log(`${last / 1e6} million finished requests written`)
    }
    for (const { definition } of indexes) await client.query(definition)
    await client.query('VACUUM (ANALYZE) provision_request, instance')
    await client.query('CHECKPOINT')
    log(`${count} finished requests are there`)
  } finally {
    await client.end()
  }
}
