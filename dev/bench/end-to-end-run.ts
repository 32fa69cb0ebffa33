import { monotonicMs } from './clock.ts'
import { countEvents } from './event-counter.ts'
import type { MeasuredProcess } from './measured-process.ts'
import { orders, publishAll } from './messages.ts'
import { startRaw } from './raw-process.ts'
import { serverUsage } from './server-usage.ts'
import { NO_LIMIT, type ServiceProcess, startService, sumOf } from './service.ts'
import type { Upstream } from './upstream.ts'
import type { Bench, World } from './world.ts'

const RUNNING = 'provisioner.instance.running'

/** Short, since the stub's instances run at once; the raw pipeline asks without any wait. */
export const QUICK_POLLS = { POLL_MIN_MS: '100', POLL_MAX_MS: '1000' }

export interface EndToEndRun {
  /** From the first publish to the last `instance.running` event consumed. */
  perSecond: number
  cpuSecondsPer1000: number
  postgresCpuSecondsPer1000: number
  rabbitmqCpuSecondsPer1000: number
  peakRssMb: number
  /** Claims that were not sent in time, and given back. */
  notSent: number
}

/** `requests` orders through a fresh replica on a world. */
export async function runService(options: {
  bench: Bench
  world: World
  upstream: Upstream
  requests: number
  settings?: Readonly<Record<string, string>>
  firstNumber?: number
}): Promise<EndToEndRun> {
  const { bench, world, upstream, requests, settings = {}, firstNumber = 1 } = options
  const service = await startService({
    bench,
    world,
    upstreamUrl: upstream.url,
    settings: { ...NO_LIMIT, ...QUICK_POLLS, ...settings },
  })
  return measure({ child: service, service, world, upstream, requests, firstNumber })
}

export async function runRaw(options: {
  bench: Bench
  world: World
  upstream: Upstream
  requests: number
}): Promise<EndToEndRun> {
  const { bench, world, upstream, requests } = options
  const raw = startRaw({ bench, world, pipeline: 'end_to_end', environment: { UPSTREAM_URL: upstream.url } })
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
    const before = child.usage()
    const serversBefore = serverUsage()
    const startedAt = monotonicMs()
    const published = publishAll(world.broker, orders(firstNumber, requests))
    await events.until(() => events.count(RUNNING) >= requests, { check: child.checkAlive })
    await published
    const seconds = (events.lastAt(RUNNING) - startedAt) / 1000
    const after = child.usage()
    const serversAfter = serverUsage()
    const per1000 = (then: number, now: number) => ((now - then) / requests) * 1000
    const { calls } = await upstream.counts()
    if (calls !== requests) throw new Error(`${calls} calls for ${requests} requests`)
    const notSent =
      service === undefined ? 0 : sumOf(await service.metrics(), 'dispatch_calls_total', 'reason="not_sent"')
    return {
      perSecond: requests / seconds,
      cpuSecondsPer1000: per1000(before.cpuSeconds, after.cpuSeconds),
      postgresCpuSecondsPer1000: per1000(serversBefore.postgres, serversAfter.postgres),
      rabbitmqCpuSecondsPer1000: per1000(serversBefore.rabbitmq, serversAfter.rabbitmq),
      peakRssMb: after.peakRssMb,
      notSent,
    }
  } finally {
    await child.stop()
    await events.close()
  }
}
