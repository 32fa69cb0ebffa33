import { setTimeout as sleep } from 'node:timers/promises'
import { judgeBudget } from '../budget.ts'
import { monotonicMs } from '../clock.ts'
import { orderMessage, publishAll } from '../messages.ts'
import type { Scenario } from '../scenario.ts'
import { type ServiceProcess, startService, sumOf } from '../service.ts'
import { round } from '../statistics.ts'
import { startUpstream } from '../upstream.ts'
import type { World } from '../world.ts'

const LIMIT = { rate: 1, burst: 1 }
const LEAST_USE = 0.97
const MOST_MB_AFTERWARDS = 250
/** A backlog from which calls are made before the flood. */
const BEFORE = 100
/** How long the service is left alone before its memory is read. */
const CALM_SECONDS = 20

/**
 * One replica takes in far more than it can at once: how fully it uses a small call budget meanwhile, whether the limit
 * is ever broken, and how much memory it keeps afterwards.
 */
export const flood: Scenario = async ({ bench, options, log }) => {
  const messages = options.quick ? 20_000 : 200_000
  const upstream = await startUpstream(bench.folder)
  const world = await bench.createWorld()
  const service = await startService({
    bench,
    world,
    upstreamUrl: upstream.url,
    settings: { RATE_LIMIT_PER_SECOND: String(LIMIT.rate), RATE_LIMIT_BURST: String(LIMIT.burst) },
  })
  try {
    await service.ready()
    await publishAll(world.broker, orders(0, BEFORE))
    await sleep(CALM_SECONDS * 500)
    const rssBeforeMb = service.usage().rssMb
    const startedAt = monotonicMs()
    const published = publishAll(world.broker, orders(BEFORE, messages))
    const { rssMostMb, lagMostMs } = await untilStored(service, world, BEFORE + messages)
    await published
    const endedAt = monotonicMs()
    log(`${messages} messages stored in ${round((endedAt - startedAt) / 1000)} s`)
    await sleep(CALM_SECONDS * 1000)
    const rssAfterwardsMb = service.usage().rssMb

    const { calls, lists } = await upstream.record()
    // Listings are calls of the same budget.
    const arrivals = [...calls.at, ...lists.at].sort((a, b) => a - b)
    const { violations } = judgeBudget(arrivals, LIMIT)
    const during = useOf(arrivals.filter((at) => at >= startedAt && at <= endedAt))
    return {
      value: round(during * 100),
      unit: '% of the budget used during the flood',
      raw: 100,
      ratio: round(during),
      target: `at least ${LEAST_USE * 100} %, no violation, at most ${MOST_MB_AFTERWARDS} MB afterwards`,
      met: during >= LEAST_USE && violations === 0 && rssAfterwardsMb <= MOST_MB_AFTERWARDS,
      details: {
        messages,
        flood_s: round((endedAt - startedAt) / 1000),
        use_before: round(useOf(arrivals.filter((at) => at < startedAt))),
        use_afterwards: round(useOf(arrivals.filter((at) => at > endedAt))),
        violations,
        not_sent: sumOf(await service.metrics(), 'dispatch_calls_total', 'reason="not_sent"'),
        event_loop_lag_most_ms: round(lagMostMs),
        rss_before_mb: round(rssBeforeMb),
        rss_most_mb: round(rssMostMb),
        rss_afterwards_mb: round(rssAfterwardsMb),
      },
    }
  } finally {
    await service.stop()
    await world.close()
    await upstream.stop()
  }
}

function* orders(from: number, count: number): Generator<Buffer> {
  for (let number = from; number < from + count; number += 1) yield orderMessage({ number, projects: 1 })
}

async function untilStored(service: ServiceProcess, world: World, expected: number) {
  let rssMostMb = 0
  let lagMostMs = 0
  for (let stored = 0; stored < expected; ) {
    await sleep(1000)
    service.checkAlive()
    rssMostMb = Math.max(rssMostMb, service.usage().rssMb)
    lagMostMs = Math.max(lagMostMs, sumOf(await service.metrics(), 'nodejs_eventloop_lag_max_seconds') * 1000)
    const { rows } = await world.pool.query<{ n: number }>('SELECT count(*)::int AS n FROM provision_request')
    stored = rows[0]?.n ?? 0
  }
  return { rssMostMb, lagMostMs }
}

/** Calls as a share of what the rate allows from the first of them to the last. */
function useOf(arrivals: readonly number[]): number {
  const seconds = ((arrivals.at(-1) ?? 0) - (arrivals[0] ?? 0)) / 1000
  return (arrivals.length - 1) / (LIMIT.rate * seconds)
}
