import { setTimeout as sleep } from 'node:timers/promises'
import { fillHistory } from '../history-fill.ts'
import { fillTroubles } from '../overview-fill.ts'
import type { Scenario } from '../scenario.ts'
import { percentOfCore } from '../server-usage.ts'
import { startService } from '../service.ts'
import { latencyFigures, round } from '../statistics.ts'

const VIEWERS = 10
const EVERY_MS = 2000
const MOST_MS = 200
const MOST_PERCENT = 1

/**
 * Ten people look at the overview of an installation with 1,000 projects, many finished requests, and all kinds of trouble:
 * how long a reply takes, and what all of them together cost the database, beyond what the service costs without them.
 */
export const overview: Scenario = async ({ bench, options, log }) => {
  const [finished, seconds] = options.quick ? [20_000, 10] : [1_000_000, 40]
  const world = await bench.createWorld()
  try {
    await fillHistory(world.databaseUrl, finished, log)
    await fillTroubles(world.pool)
    const service = await startService({ bench, world, upstreamUrl: 'http://127.0.0.1:9' })
    try {
      await service.ready()
      const first = await look(service.url)
      await sleep(5000)
      const quietPercent = await percentOfCore(world.pool, () => sleep(seconds * 1000))
      const times: number[] = []
      let unchanged = 0
      const until = performance.now() + seconds * 1000
      const viewer = async (n: number) => {
        await sleep((n * EVERY_MS) / VIEWERS)
        let tag = ''
        while (performance.now() < until) {
          const seen = await look(service.url, tag)
          times.push(seen.ms)
          tag = seen.tag
          if (seen.status === 304) unchanged += 1
          await sleep(EVERY_MS)
        }
      }
      const busyPercent = await percentOfCore(world.pool, async () => {
        await Promise.all(Array.from({ length: VIEWERS }, (_, n) => viewer(n)))
      })
      const percent = busyPercent - quietPercent
      const latency = latencyFigures(times)
      log(`${round(latency.p99_ms)} ms at the 99th percentile, ${round(percent)} % of a core of PostgreSQL`)
      return {
        value: latency.p99_ms,
        unit: 'ms, p99 of the replies to ten viewers',
        raw: null,
        ratio: null,
        target: `all within ${MOST_MS} ms, the database less than ${MOST_PERCENT} % of a core`,
        met: first.ms <= MOST_MS && latency.max_ms <= MOST_MS && percent < MOST_PERCENT,
        details: {
          finished,
          first_ms: round(first.ms),
          first_bytes: first.bytes,
          ...latency,
          not_modified: unchanged,
          postgres_percent: round(percent),
          postgres_percent_without_viewers: round(quietPercent),
        },
      }
    } finally {
      await service.stop()
    }
  } finally {
    await world.close()
  }
}

async function look(url: string, tag = '') {
  const begunAt = performance.now()
  const reply = await fetch(`${url}/operations/overview`, { headers: { 'if-none-match': tag } })
  const text = await reply.text()
  if (reply.status !== 200 && reply.status !== 304)
    throw new Error(`the overview says ${reply.status}: ${text}`)
  return {
    ms: performance.now() - begunAt,
    status: reply.status,
    bytes: text.length,
    tag: reply.headers.get('etag') ?? '',
  }
}
