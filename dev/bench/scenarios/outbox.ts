import { countEvents } from '../event-counter.ts'
import type { MeasuredProcess } from '../measured-process.ts'
import { startRaw } from '../raw-process.ts'
import { compare, comparedResult } from '../rounds.ts'
import type { Scenario } from '../scenario.ts'
import { startService } from '../service.ts'
import { figuresOf, round } from '../statistics.ts'
import type { World } from '../world.ts'

/** Ten thousand requests' worth of events, in the order in which the relay finds them. $1 how many. */
const FILL = `
INSERT INTO outbox_event (id, ordering_key, routing_key, type, correlation_id, body)
SELECT e.id, 'project-1/order-' || e.n, 'instance.running.project-1', 'provisioner.instance.running', NULL,
  json_build_object(
    'specversion', '1.0', 'id', e.id, 'type', 'provisioner.instance.running',
    'source', '/v1/project-1/provision-requests/order-' || e.n, 'subject', e.id, 'time', now(),
    'datacontenttype', 'application/json',
    'data', json_build_object(
      'project_id', 'project-1', 'request_id', 'order-' || e.n, 'instance_id', e.id, 'name', 'n-' || e.n,
      'server_id', 'server-' || e.id,
      'network_interfaces', '[{"subnet_id":"subnet-1","ipv4_address":"10.0.0.1"}]'::json, 'image_id', 'image-1',
      'running_at', now()
    )
  )::text
FROM (SELECT n, uuidv7() AS id FROM generate_series(1, $1::int) n) e`

/** A full outbox until its last event is consumed, against publishing the same out of memory with confirms. */
export const outbox: Scenario = async (context) => {
  const { bench, options } = context
  const count = options.quick ? 5000 : 100_000
  const cpuSeconds: number[] = []

  const measure = async (fill: boolean, start: (world: World) => Promise<MeasuredProcess>) => {
    const world = await bench.createWorld()
    if (fill) {
      await world.pool.query(FILL, [count])
      await world.pool.query('VACUUM (ANALYZE) outbox_event')
    }
    const events = await countEvents(world)
    const child = await start(world)
    try {
      await events.until(() => events.total() >= count, { check: child.checkAlive })
      const rate = (count / (events.lastAt('provisioner.instance.running') - events.firstAt())) * 1000
      if (fill) cpuSeconds.push(child.usage().cpuSeconds)
      await child.stop()
      const { rows } = await world.pool.query<{ n: number }>('SELECT count(*)::int AS n FROM outbox_event')
      if (rows[0]?.n !== 0) throw new Error(`${rows[0]?.n} events are still in the outbox`)
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
    least: 0.6,
    details: { events: count, cpu_seconds_per_1000: round((figuresOf(cpuSeconds).median / count) * 1000) },
  })
}
