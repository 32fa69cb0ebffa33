import { Pool } from 'undici'
import { countEvents } from '../event-counter.ts'
import { orders, publishAll } from '../messages.ts'
import type { Scenario } from '../scenario.ts'
import { serverUsage } from '../server-usage.ts'
import { NO_LIMIT, type ServiceProcess, startService } from '../service.ts'
import { round } from '../statistics.ts'
import { startUpstream } from '../upstream.ts'

const MOST_TIMES = 5
const REQUESTS = 200
const AT_ONCE = 16
const PROJECTS = 20

/** Status reads of finished requests: what one costs the replica, against one `/healthz`. */
export const status: Scenario = async ({ bench, options, log }) => {
  const reads = options.quick ? 2000 : 20_000
  const upstream = await startUpstream(bench.folder)
  const world = await bench.createWorld()
  const service = await startService({ bench, world, upstreamUrl: upstream.url, settings: NO_LIMIT })
  const events = await countEvents(world)
  try {
    await service.ready()
    await publishAll(world.broker, orders(0, REQUESTS))
    const completed = 'provisioner.request.completed'
    await events.until(() => events.count(completed) >= REQUESTS, { check: service.checkAlive })

    const statusPath = (n: number) =>
      `/v1/project-${n % PROJECTS}/provision-requests/order-${(n % (REQUESTS / PROJECTS)) * PROJECTS + (n % PROJECTS)}`
    // The first calls of a process are its dearest.
    await cpuMsPerGet(service, 2000, statusPath)
    await cpuMsPerGet(service, 2000, () => '/healthz')
    const health = await cpuMsPerGet(service, reads, () => '/healthz')
    const own = await cpuMsPerGet(service, reads, statusPath)
    log(`${round(own.node)} ms of node per status read, ${round(health.node)} ms per /healthz`)
    const times = own.node / health.node
    return {
      value: round(own.node),
      unit: 'ms of processor of the replica per status read; raw is one /healthz',
      raw: round(health.node),
      ratio: round(1 / times),
      target: `at most ${MOST_TIMES} times one /healthz`,
      met: times <= MOST_TIMES,
      details: { reads, times_healthz: round(times), postgres_ms_per_read: round(own.postgres) },
    }
  } finally {
    await service.stop()
    await events.close()
    await world.close()
    await upstream.stop()
  }
}

async function cpuMsPerGet(
  service: ServiceProcess,
  count: number,
  pathOf: (number: number) => string,
): Promise<{ node: number; postgres: number }> {
  const pool = new Pool(service.url, { connections: AT_ONCE })
  const before = { node: service.usage().cpuSeconds, postgres: serverUsage().postgres }
  let next = 0
  const caller = async () => {
    while (next < count) {
      const path = pathOf(next)
      next += 1
      const { statusCode, body } = await pool.request({ method: 'GET', path })
      await body.dump()
      if (statusCode !== 200) throw new Error(`${path} answered ${statusCode}`)
    }
  }
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, caller))
  } finally {
    await pool.close()
  }
  const perGet = (from: number, to: number) => ((to - from) / count) * 1000
  return {
    node: perGet(before.node, service.usage().cpuSeconds),
    postgres: perGet(before.postgres, serverUsage().postgres),
  }
}
