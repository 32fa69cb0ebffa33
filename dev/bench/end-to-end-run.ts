import { monotonicMs } from './clock.ts'
import { countEvents } from './event-counter.ts'
import type { MeasuredProcess } from './measured-process.ts'
import { orders, publishAll } from './messages.ts'
import type { PipelineRun } from './pipeline-run.ts'
import { startRaw } from './raw-process.ts'
import { serverUsage } from './server-usage.ts'
import { NO_LIMIT, type ServiceProcess, startService, sumOf } from './service.ts'
import type { Upstream } from './upstream.ts'
import type { Bench, World } from './world.ts'

const RUNNING = 'provisioner.instance.running'

/** Short, since the stub's instances run at once; the raw pipeline asks without any wait. */
export const QUICK_POLLS = { POLL_MIN_MS: '100', POLL_MAX_MS: '1000' }

export interface EndToEndRun extends PipelineRun {
  peakRssMb: number
  /** Bytes of write-ahead log per request. */
  walBytes: number
  /** Claims that were not sent in time, and given back. */
  notSent: number
  /** Requests of one claim and of one record of outcomes, in the mean: what a statement's fixed cost is shared by. */
  perClaim: number
  perRecord: number
}

/** `requests` orders through a fresh replica on a world, from the first publish to the last `instance.running`. */
export async function runService(options: {
  bench: Bench
  world: World
  upstream: Upstream
  requests: number
  settings?: Readonly<Record<string, string>>
  firstNumber?: number
  /** By default a token. */
  credential?: Readonly<Record<string, string>>
  /** The checkout whose service runs; by default this one. */
  root?: URL
}): Promise<EndToEndRun> {
  const { bench, world, upstream, requests, settings = {}, firstNumber = 1, credential, root } = options
  const service = await startService({
    bench,
    world,
    upstreamUrl: upstream.url,
    settings: { ...NO_LIMIT, ...QUICK_POLLS, ...settings },
    credential,
    ...(root === undefined ? {} : { root }),
  })
  return measure({ child: service, service, world, upstream, requests, firstNumber })
}

/** The same through the raw pipeline, which sends all four events of a request or only the last. */
export async function runRaw(options: {
  bench: Bench
  world: World
  upstream: Upstream
  requests: number
  events: 4 | 1
}): Promise<EndToEndRun> {
  const { bench, world, upstream, requests, events } = options
  const environment = { UPSTREAM_URL: upstream.url, RAW_EVENTS_PER_REQUEST: String(events) }
  const raw = startRaw({ bench, world, pipeline: 'end_to_end', environment })
  return measure({ child: raw, world, upstream, requests, firstNumber: 1 })
}

async function measure(options: {
  child: MeasuredProcess & { ready(): Promise<void> }
  service?: ServiceProcess
  world: World
  upstream: Upstream
  requests: number
  firstNumber: number
}): Promise<EndToEndRun> {
  const { child, service, world, upstream, requests, firstNumber } = options
  await upstream.reset()
  const events = await countEvents(world)
  try {
    await child.ready()
    const before = { child: child.usage(), servers: serverUsage(), wal: await walBytes(world) }
    const startedAt = monotonicMs()
    const published = publishAll(world.broker, orders(firstNumber, requests))
    await events.until(() => events.count(RUNNING) >= requests, { check: child.checkAlive })
    await published
    const seconds = (events.lastAt(RUNNING) - startedAt) / 1000
    const after = { child: child.usage(), servers: serverUsage(), wal: await walBytes(world) }
    const msPerRequest = (from: number, to: number) => ((to - from) / requests) * 1000
    const { calls } = await upstream.counts()
    if (calls !== requests) throw new Error(`${calls} calls for ${requests} requests`)
    const metrics = await service?.metrics()
    const sum = (name: string, label?: string) => (metrics === undefined ? 0 : sumOf(metrics, name, label))
    const claimed = sum('dispatch_claimed_requests_total')
    return {
      perSecond: requests / seconds,
      cpuMs: {
        node: msPerRequest(before.child.cpuSeconds, after.child.cpuSeconds),
        postgres: msPerRequest(before.servers.postgres, after.servers.postgres),
        rabbitmq: msPerRequest(before.servers.rabbitmq, after.servers.rabbitmq),
      },
      peakRssMb: after.child.peakRssMb,
      walBytes: (after.wal - before.wal) / requests,
      notSent: sum('dispatch_calls_total', 'reason="not_sent"'),
      perClaim: claimed / sum('dispatch_claim_seconds_count'),
      perRecord: claimed / sum('dispatch_record_seconds_count'),
    }
  } finally {
    await child.stop()
    await events.close()
  }
}

/** Bytes of write-ahead log that the server has written so far. */
async function walBytes(world: World): Promise<number> {
  const { rows } = await world.pool.query<{ bytes: number }>(
    "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 AS bytes",
  )
  return rows[0]?.bytes ?? Number.NaN
}
