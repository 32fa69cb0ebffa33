import { setTimeout as sleep } from 'node:timers/promises'
import type { Scenario } from '../scenario.ts'
import { serverUsage } from '../server-usage.ts'
import { startService } from '../service.ts'
import { round } from '../statistics.ts'

const MOST_PERCENT = 1.5
/** What a process does in its first seconds is not idling. */
const SETTLE_MS = 5000

/** One replica with all roles and nothing to do: its processor time and PostgreSQL's, in percent of one core. */
export const idle: Scenario = async ({ bench, options, log }) => {
  const seconds = options.quick ? 5 : 60
  const world = await bench.createWorld()
  const service = await startService({ bench, world, upstreamUrl: 'http://127.0.0.1:9' })
  try {
    await service.ready()
    await sleep(SETTLE_MS)
    const before = { own: service.usage().cpuSeconds, servers: serverUsage() }
    await sleep(seconds * 1000)
    const after = { own: service.usage().cpuSeconds, servers: serverUsage() }
    const percent = (from: number, to: number) => ((to - from) / seconds) * 100
    const own = percent(before.own, after.own)
    const postgres = percent(before.servers.postgres, after.servers.postgres)
    const rabbitmq = percent(before.servers.rabbitmq, after.servers.rabbitmq)
    log(`${round(own)} % of a core, PostgreSQL ${round(postgres)} %`)
    return {
      value: round(own + postgres),
      unit: '% of a core, one idle replica and PostgreSQL',
      raw: null,
      ratio: null,
      target: `at most ${MOST_PERCENT} %`,
      met: own + postgres <= MOST_PERCENT,
      details: {
        seconds,
        node_percent: round(own),
        postgres_percent: round(postgres),
        rabbitmq_percent: round(rabbitmq),
      },
    }
  } finally {
    await service.stop()
    await world.close()
  }
}
