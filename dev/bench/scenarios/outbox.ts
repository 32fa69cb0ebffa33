import { countEvents } from '../event-counter.ts'
import type { MeasuredProcess } from '../measured-process.ts'
import { startRaw } from '../raw-process.ts'
import { compare, comparedResult } from '../rounds.ts'
import type { Scenario } from '../scenario.ts'
import { startService } from '../service.ts'
import { figuresOf, round } from '../statistics.ts'
import type { World } from '../world.ts'

/** Changes in a segment: what one readiness call may bring. */
const SEGMENT = 50

/** So many requests ($1) of one instance each, at their end. */
const FILL_REQUESTS = `
INSERT INTO provision_request (
  id, project_id, request_id, content_digest, password_digest, spec, priority, min_count, max_count, created_at,
  state, previous_state, version, attempts, attempt_number, created_count, running_count, updated_at, dispatched_at,
  completed_at, instance_ids, history
)
SELECT uuidv7(), 'project-1', 'order-' || n, '', '', '{}', 0, 1, 1, now(), 'running', 'provisioning', 4, 1, 1, 1, 1, now(),
  now(), now(), ARRAY['instance-' || n],
  format(
    E'{"v":1,"at":%1$s,"to":"queued","cause":"accepted"}\n'
    '{"v":2,"at":%1$s,"to":"dispatching","cause":"claimed","attempt":1}\n'
    '{"v":3,"at":%1$s,"to":"provisioning","cause":"created","attempt":1,"outcome":"created","upstreamRequestId":"%2$s",'
    '"evidence":{"http_status":202,"instances":1},"instances":["instance-%2$s"]}\n'
    '{"v":4,"at":%1$s,"to":"running","cause":"instances_ended","counts":'
    '{"min":1,"max":1,"created":1,"running":1,"failed":0}}\n',
    (extract(epoch FROM now()) * 1000)::bigint, n
  )
FROM generate_series(1, $1::int) n`

const FILL_INSTANCES = `
INSERT INTO instance (
  project_id, id, provision_request_id, attempt, created_at, state, name, server_id, image_id, network_interfaces,
  upstream_state, running_at, ended_version, ended_at
)
SELECT project_id, instance_ids[1], id, 1, now(), 'running', 'n-' || request_id, 'server-' || id, 'image-1',
  '[{"subnet_id":"subnet-1","ipv4_address":"10.0.0.1"}]', 'RUNNING', now(), 4, now()
FROM provision_request`

/** $1 changes in a segment. */
const FILL_OUTBOX = `
INSERT INTO outbox_segment (refs)
SELECT string_agg('["' || id || '",4,"' || instance_ids[1] || '"]', ',' ORDER BY id)
FROM (SELECT id, instance_ids, row_number() OVER (ORDER BY id) AS n FROM provision_request) r
GROUP BY n / $1::int
ORDER BY n / $1::int`

async function fill({ pool }: World, events: number): Promise<void> {
  await pool.query(FILL_REQUESTS, [events / EVENTS_PER_REQUEST])
  await pool.query(FILL_INSTANCES)
  await pool.query(FILL_OUTBOX, [SEGMENT])
  await pool.query('VACUUM (ANALYZE) provision_request, instance, outbox_segment')
}

/** The end of instance and request. */
const EVENTS_PER_REQUEST = 2

/** A full outbox until its last event is consumed, against publishing the same out of memory with confirms. */
export const outbox: Scenario = async (context) => {
  const { bench, options } = context
  const count = options.quick ? 5000 : 100_000
  const cpuSeconds: Record<'service' | 'raw', number[]> = { service: [], raw: [] }

  const perThousand = (seconds: number[]) => round((figuresOf(seconds).median / count) * 1000)

  const measure = async (isFilled: boolean, start: (world: World) => Promise<MeasuredProcess>) => {
    const world = await bench.createWorld()
    if (isFilled) await fill(world, count)
    const events = await countEvents(world)
    const child = await start(world)
    try {
      await events.until(() => events.total() >= count, { check: child.checkAlive })
      const rate = (count / (events.lastAt('provisioner.request.completed') - events.firstAt())) * 1000
      cpuSeconds[isFilled ? 'service' : 'raw'].push(child.usage().cpuSeconds)
      await child.stop()
      const { rows } = await world.pool.query<{ n: number }>('SELECT count(*)::int AS n FROM outbox_segment')
      if (rows[0]?.n !== 0) throw new Error(`${rows[0]?.n} segments are still in the outbox`)
      return rate
    } finally {
      await child.stop()
      await events.close()
      await world.close()
    }
  }

  const compared = await compare({
    context,
    rounds: 5,
    unit: 'events/s',
    service: () =>
      measure(true, (world) =>
        startService({
          bench,
          world,
          upstreamUrl: 'http://127.0.0.1:9',
          settings: { ROLES: 'outbox,api' },
        }),
      ),
    raw: () =>
      measure(false, async (world) =>
        startRaw({ bench, world, pipeline: 'publish', environment: { RAW_EVENTS: String(count) } }),
      ),
  })
  return comparedResult(compared, {
    unit: 'events/s',
    least: 0.8,
    details: {
      events: count,
      cpu_seconds_per_1000: perThousand(cpuSeconds.service),
      raw_cpu_seconds_per_1000: perThousand(cpuSeconds.raw),
    },
  })
}
