import type pg from 'pg'

/** Buckets of 1,000 projects, half of them used up, some closed. */
const BUCKETS = `
INSERT INTO rate_bucket (
  project_id, refill_per_second, capacity, tokens, refilled_at, due_at, blocked_until, blocked_reason
)
SELECT 'old-project-' || n, 5, 9.5, CASE WHEN n % 2 = 0 THEN 0 ELSE 9.5 END, now() + interval '1 day',
  now() + interval '1 day', CASE WHEN n % 20 = 0 THEN now() + interval '1 day' END,
  CASE WHEN n % 20 = 0 THEN 'forbidden' END
FROM generate_series(0, 999) n`

/** Open requests: $1 so many, of 200 projects; a few of unknown outcome, which wait for their next look. */
const OPEN = `
INSERT INTO provision_request (
  id, project_id, request_id, content_digest, spec, priority, min_count, max_count, created_at, state, previous_state,
  version, updated_at, queue_rank, sealed_password, history, attempts, attempt_number
)
SELECT
  gen_random_uuid(), 'old-project-' || n % 200, 'open-' || n, sha256(n::text::bytea), '{"name":"web"}', 0, 1, 1, now(),
  CASE WHEN n % 100 = 0 THEN 'uncertain' ELSE 'queued' END::request_state,
  CASE WHEN n % 100 = 0 THEN 'dispatching' END::request_state,
  CASE WHEN n % 100 = 0 THEN 3 ELSE 1 END, now(), CASE WHEN n % 100 <> 0 THEN now() END, 'sealed',
  '{"v":1,"at":1700000000000,"to":"queued","cause":"accepted"}' || E'\\n' || CASE WHEN n % 100 = 0 THEN
    '{"v":2,"at":1700000000000,"to":"dispatching","cause":"claimed","attempt":1}' || E'\\n'
    || '{"v":3,"at":1700000000000,"to":"uncertain","cause":"timeout","attempt":1,"evidence":{"error_code":"X"}}' || E'\\n'
  ELSE '' END,
  CASE WHEN n % 100 = 0 THEN 1 ELSE 0 END, CASE WHEN n % 100 = 0 THEN 1 ELSE 0 END
FROM generate_series(1, $1::int) n`

const LOOKS = `
INSERT INTO look (provision_request_id, attempt, project_id, purpose, due_at)
SELECT id, 1, project_id, 'doubt', now() + interval '1 day' FROM provision_request WHERE state = 'uncertain'`

/** Requests that failed in the last day: $1 so many. */
const FAILED = `
INSERT INTO provision_request (
  id, project_id, request_id, content_digest, spec, priority, min_count, max_count, created_at, state, previous_state,
  version, updated_at, completed_at, exception_state, error_code, error_message, error_at, history
)
SELECT
  gen_random_uuid(), 'old-project-' || n % 1000, 'failed-' || n, sha256(n::text::bytea), '{"name":"web"}', 0, 1, 1, at,
  'failed', 'dispatching', 4, at, at, 'failed', 'iMetal.' || n % 10, 'refused', at, ''
FROM (SELECT n, now() - n * interval '5 seconds' AS at FROM generate_series(1, $1::int) n) timed`

/** $1 letters. */
const LETTERS = `
INSERT INTO dead_letter (id, at, code, faults, bytes)
SELECT gen_random_uuid(), now() - n * interval '1 second', (ARRAY['invalid_json', 'invalid_request'])[1 + n % 2], '[]', 1
FROM generate_series(1, $1::int) n`

/** $1 changes by people. */
const CHANGES = `
INSERT INTO audit_entry (who, verb, project_id, reason)
SELECT 'key:console', 'resolve', 'old-project-' || n % 1000, 'looked at the console'
FROM generate_series(1, $1::int) n`

/** A day of what three replicas have done. */
const FLOW = `
INSERT INTO flow_count (at, replica_id, accepted, dispatched, running, failed, published, polls_answered, polls_failed)
SELECT to_timestamp(floor(extract(epoch FROM now()) / 10) * 10 - n * 10), r::text::uuid, 5, 5, 5, 0, 20, 5, 0
FROM generate_series(1, 8640) n
CROSS JOIN unnest(ARRAY[
  '019ab06b-6f1d-7c52-8a3e-000000000001', '019ab06b-6f1d-7c52-8a3e-000000000002', '019ab06b-6f1d-7c52-8a3e-000000000003'
]) r`

/** Gives an installation something of all that an overview tells; nothing of it is due, and no upkeep of it is left. */
export async function fillTroubles(pool: pg.Pool): Promise<void> {
  await pool.query(BUCKETS)
  await pool.query(OPEN, [2000])
  await pool.query(LOOKS)
  await pool.query(FAILED, [10_000])
  await pool.query(LETTERS, [20_000])
  await pool.query(CHANGES, [1000])
  await pool.query(FLOW)
  await pool.query('VACUUM (ANALYZE)')
  await pool.query('CHECKPOINT')
}
