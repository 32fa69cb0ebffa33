import { setTimeout as sleep } from 'node:timers/promises'
import { monotonicMs } from '../clock.ts'
import { countEvents } from '../event-counter.ts'
import { createPublish, orderMessage } from '../messages.ts'
import type { Scenario } from '../scenario.ts'
import { startService } from '../service.ts'
import { latencyFigures, percentile, round } from '../statistics.ts'
import { startUpstream } from '../upstream.ts'

const PER_SECOND = 50
const PROJECTS = 50
const RUNNING = 'provisioner.instance.running'
const WARM_UP = 100

/**
 * A steady trickle: from publishing to the call's arrival upstream, and from the listing that first tells of a running
 * instance to its event. The polling interval is thus left out.
 */
export const latency: Scenario = async ({ bench, options, log }) => {
  const measured = options.quick ? 250 : 30 * PER_SECOND
  const requests = WARM_UP + measured
  const upstream = await startUpstream(bench.folder)
  const world = await bench.createWorld()
  await upstream.set({ recordRunning: true })
  const service = await startService({
    bench,
    world,
    upstreamUrl: upstream.url,
    settings: { RATE_LIMIT_PER_SECOND: '20', POLL_MIN_MS: '200', POLL_MAX_MS: '1000' },
  })
  const eventAt = new Map<string, number>()
  const events = await countEvents(world, (message, at) => {
    if (message.properties.type !== RUNNING) return
    const { subject } = JSON.parse(message.content.toString()) as { subject: string }
    eventAt.set(subject, at)
  })
  try {
    await service.ready()
    const channel = await world.broker.createConfirmChannel()
    const publish = createPublish(channel)
    const publishedAt: number[] = []
    const startedAt = monotonicMs()
    for (let number = 0; number < requests; number += 1) {
      const wait = startedAt + (number * 1000) / PER_SECOND - monotonicMs()
      if (wait > 0) await sleep(wait)
      const body = orderMessage({ number, projects: PROJECTS })
      publishedAt.push(monotonicMs())
      await publish(body)
    }
    await events.until(() => events.count(RUNNING) >= requests, { check: service.checkAlive })
    const record = await upstream.record()

    const toCall = record.calls.name.flatMap((name, index) => {
      const number = Number(name.slice(2))
      const published = publishedAt[number] ?? Number.NaN
      return number < WARM_UP ? [] : [(record.calls.at[index] ?? Number.NaN) - published]
    })
    const toEvent = Object.entries(record.running)
      .map(([id, at]) => (eventAt.get(id) ?? Number.NaN) - at)
      .slice(WARM_UP)
    const call = latencyFigures(toCall)
    const event = latencyFigures(toEvent)
    log(
      `publish to call: p50 ${call.p50_ms} ms, p99 ${call.p99_ms} ms; running to event: p99 ${event.p99_ms} ms`,
    )
    return {
      value: call.p50_ms,
      unit: 'ms, p50 of publish to call',
      raw: null,
      ratio: null,
      target: 'call p50 <= 8 ms, p99 <= 40 ms; event p99 <= 40 ms',
      met: call.p50_ms <= 8 && call.p99_ms <= 40 && event.p99_ms <= 40,
      details: {
        publish_to_call: call,
        running_to_event: event,
        publish_to_call_percentiles_ms: curve(toCall),
        running_to_event_percentiles_ms: curve(toEvent),
      },
    }
  } finally {
    await service.stop()
    await events.close()
    await world.close()
    await upstream.stop()
  }
}

const SHARES = [0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999]

function curve(values: readonly number[]): [share: number, ms: number][] {
  return SHARES.map((share) => [share, round(percentile(values, share))])
}
