import { setTimeout as sleep } from 'node:timers/promises'
import { monotonicMs } from '../clock.ts'
import { countEvents } from '../event-counter.ts'
import { createPublish, orderMessage } from '../messages.ts'
import type { Scenario, ScenarioContext } from '../scenario.ts'
import { startService } from '../service.ts'
import { latencyFigures, percentile, round } from '../statistics.ts'
import { startUpstream } from '../upstream.ts'

const PER_SECOND = 50
const PROJECTS = 50
const RUNNING = 'provisioner.instance.running'
const WARM_UP = 100

/**
 * A steady trickle: from publishing to the call's arrival upstream, and from the listing that first tells of a running
 * instance to its event, which leaves the polling interval out. Then the whole way, with instances that run at once and
 * no wait between polls: from publishing to the event that the instance runs.
 */
export const latency: Scenario = async (context) => {
  const parts = await trickle(context, { POLL_MIN_MS: '200', POLL_MAX_MS: '1000' })
  const whole = await trickle(context, { POLL_MIN_MS: '1', POLL_MAX_MS: '1000' })
  const call = latencyFigures(parts.toCall)
  const event = latencyFigures(parts.toEvent)
  const wholeWay = latencyFigures(whole.wholeWay)
  context.log(
    `publish to call: p50 ${call.p50_ms} ms, p99 ${call.p99_ms} ms; running to event: p99 ${event.p99_ms} ms; ` +
      `whole way: p50 ${wholeWay.p50_ms} ms`,
  )
  return {
    value: call.p50_ms,
    unit: 'ms, p50 of publish to call',
    raw: null,
    ratio: null,
    target: 'call p50 <= 8 ms, p99 <= 40 ms; event p99 <= 40 ms; whole way p50 <= 20 ms',
    met: call.p50_ms <= 8 && call.p99_ms <= 40 && event.p99_ms <= 40 && wholeWay.p50_ms <= 20,
    details: {
      publish_to_call: call,
      running_to_event: event,
      whole_way: wholeWay,
      publish_to_call_percentiles_ms: curve(parts.toCall),
      running_to_event_percentiles_ms: curve(parts.toEvent),
    },
  }
}

/** Milliseconds of each request, once the process is warm. */
interface Trickle {
  toCall: number[]
  toEvent: number[]
  wholeWay: number[]
}

async function trickle(
  { bench, options }: ScenarioContext,
  polls: Readonly<Record<string, string>>,
): Promise<Trickle> {
  const measured = options.quick ? 250 : 30 * PER_SECOND
  const requests = WARM_UP + measured
  const upstream = await startUpstream(bench.folder)
  const world = await bench.createWorld()
  await upstream.set({ recordRunning: true })
  const service = await startService({
    bench,
    world,
    upstreamUrl: upstream.url,
    settings: { RATE_LIMIT_PER_SECOND: '20', ...polls },
  })
  const eventAt = new Map<string, number>()
  const ranAt = new Map<number, number>()
  const events = await countEvents(world, (message, at) => {
    if (message.properties.type !== RUNNING) return
    const { subject, data } = JSON.parse(message.content.toString()) as RunningEvent
    eventAt.set(subject, at)
    ranAt.set(Number(data.request_id.slice('order-'.length)), at)
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
    const sincePublished = (number: number, at: number) => at - (publishedAt[number] ?? Number.NaN)
    return {
      toCall: record.calls.name.flatMap((name, index) => {
        const number = Number(name.slice(2))
        return number < WARM_UP ? [] : [sincePublished(number, record.calls.at[index] ?? Number.NaN)]
      }),
      toEvent: Object.entries(record.running)
        .map(([id, at]) => (eventAt.get(id) ?? Number.NaN) - at)
        .slice(WARM_UP),
      wholeWay: [...ranAt].flatMap(([number, at]) => (number < WARM_UP ? [] : [sincePublished(number, at)])),
    }
  } finally {
    await service.stop()
    await events.close()
    await world.close()
    await upstream.stop()
  }
}

interface RunningEvent {
  subject: string
  data: { request_id: string }
}

const SHARES = [0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999]

function curve(values: readonly number[]): [share: number, ms: number][] {
  return SHARES.map((share) => [share, round(percentile(values, share))])
}
