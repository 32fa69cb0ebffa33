import { setTimeout as sleep } from 'node:timers/promises'
import { monotonicMs } from '../clock.ts'
import { countEvents } from '../event-counter.ts'
import { orderMessage, publishAll } from '../messages.ts'
import type { Scenario } from '../scenario.ts'
import { serverUsage } from '../server-usage.ts'
import { NO_LIMIT, startService } from '../service.ts'
import { latencyFigures, round } from '../statistics.ts'
import { startUpstream } from '../upstream.ts'
import { measureBoots } from './boots.ts'

const PROJECTS = 10
const INSTANCES_PER_REQUEST = 10
const INTERVAL_MS = 5000
const ROUNDS = 3
const IDS_PER_CALL = 100
const RUNNING = 'provisioner.instance.running'

/**
 * Many pending instances: how many calls a round of polls takes, and how late it is known that they run. And how much
 * better learned boot times do than growing intervals.
 */
export const polling: Scenario = async (context) => {
  const { bench, options, log } = context
  const growing = await measureBoots(context, 'off')
  const learned = await measureBoots(context, 'on')
  const requests = options.quick ? 100 : 2000
  const instances = requests * INSTANCES_PER_REQUEST
  const upstream = await startUpstream(bench.folder)
  const world = await bench.createWorld()
  await upstream.set({ held: true })
  const runningAt: number[] = []
  const events = await countEvents(world, (message, at) => {
    if (message.properties.type === RUNNING) runningAt.push(at)
  })
  const service = await startService({
    bench,
    world,
    upstreamUrl: upstream.url,
    settings: { ...NO_LIMIT, POLL_MIN_MS: String(INTERVAL_MS), POLL_MAX_MS: String(INTERVAL_MS) },
  })
  try {
    await service.ready()
    const bodies = Array.from({ length: requests }, (_, number) =>
      orderMessage({ number, projects: PROJECTS, count: INSTANCES_PER_REQUEST }),
    )
    await publishAll(world.broker, bodies)
    await events.until(() => events.count('provisioner.request.dispatched') >= requests, {
      check: service.checkAlive,
    })
    await sleep(2 * INTERVAL_MS)
    await upstream.reset()
    const before = serverUsage()
    await sleep(ROUNDS * INTERVAL_MS)
    const after = serverUsage()
    const { lists } = await upstream.record()
    const polls = lists.ids.reduce((sum, ids) => sum + ids, 0)
    const postgresUs = ((after.postgres - before.postgres) / polls) * 1e6

    const releasedAt = monotonicMs()
    await upstream.set({ held: false })
    await events.until(() => runningAt.length >= instances, { check: service.checkAlive })
    const delays = latencyFigures(runningAt.map((at) => at - releasedAt))
    const idsPerCall = polls / lists.at.length
    const callsPerRound = lists.at.length / ROUNDS
    log(
      `${round(idsPerCall)} ids per call, ${round(callsPerRound)} calls per round; detected p99 after ${delays.p99_ms} ms`,
    )
    return {
      value: round(callsPerRound / instances),
      unit: 'calls per instance and round',
      raw: 1 / IDS_PER_CALL,
      ratio: round(idsPerCall / IDS_PER_CALL),
      target:
        'calls at most 1/100 of the instances per round; by learned boot times fewer calls and earlier knowledge',
      // A round holds whole polls of each instance only on average.
      met:
        callsPerRound <= 1.05 * (instances / IDS_PER_CALL) &&
        learned.calls < growing.calls &&
        learned.mean_delay_s < growing.mean_delay_s,
      details: {
        instances,
        interval_ms: INTERVAL_MS,
        calls_per_round: round(callsPerRound),
        ids_per_call: round(idsPerCall),
        postgres_us_per_poll_without_news: round(postgresUs),
        polls_per_instance_and_round: round(polls / instances / ROUNDS),
        detection: delays,
        growing_intervals: growing,
        learned_boot_times: learned,
      },
    }
  } finally {
    await service.stop()
    await events.close()
    await world.close()
    await upstream.stop()
  }
}
