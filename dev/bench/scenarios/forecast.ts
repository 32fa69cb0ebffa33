import { setTimeout as sleep } from 'node:timers/promises'
import type { RequestStatus } from '../../../src/contracts/status.ts'
import { countEvents } from '../event-counter.ts'
import { orderMessage, publishAll } from '../messages.ts'
import type { Scenario } from '../scenario.ts'
import { startService } from '../service.ts'
import { percentile, round } from '../statistics.ts'
import { startUpstream } from '../upstream.ts'

const PROJECTS = 10
/** Of each project, and of the credential that all share. */
const PER_SECOND = 10
const SHARED_PER_SECOND = 40
const BOOT_MS = 4000
/** Statuses are asked for so often, and so many of each project. */
const ASK_EVERY_MS = 4000
const ASKED = 20
/** An error is a part of how far a forecast looks ahead, of so much at least. */
const LEAST_HORIZON_MS = 5000
const MOST_ERROR_P50 = 0.1
const MOST_ERROR_P90 = 0.3

interface Said {
  key: string
  at: number
  dispatchMs: number
  runningMs: number
}

/** What is said of orders in queues of different length, held against what comes of them. */
export const forecast: Scenario = async ({ bench, options, log }) => {
  const longest = options.quick ? 40 : 300
  const upstream = await startUpstream(bench.folder)
  const world = await bench.createWorld()
  await upstream.set({ boots: [BOOT_MS] })
  const events = await countEvents(world)
  const shared = { per_second: SHARED_PER_SECOND, burst: SHARED_PER_SECOND }
  const service = await startService({
    bench,
    world,
    upstreamUrl: upstream.url,
    settings: {
      RATE_LIMIT_PER_SECOND: String(PER_SECOND),
      RATE_LIMIT_BURST: String(PER_SECOND),
      CREDENTIAL_RATE_LIMITS: JSON.stringify({ default: shared }),
      POLL_MIN_MS: '500',
      POLL_MAX_MS: '2000',
    },
  })
  const ask = async (project: string, query: string): Promise<RequestStatus[]> => {
    const response = await fetch(`${service.url}/v1/${project}/provision-requests?${query}`)
    return ((await response.json()) as { requests: RequestStatus[] }).requests
  }
  const projects = Array.from({ length: PROJECTS }, (_, n) => `project-${n}`)
  try {
    await service.ready()
    const lengths = projects.map((_, n) => Math.ceil((longest * (n + 1)) / PROJECTS))
    const owners = lengths.flatMap((length, n) => Array.from({ length }, () => `project-${n}`))
    await publishAll(
      world.broker,
      owners.map((_, number) =>
        orderMessage({ number, projects: PROJECTS, projectOf: (n) => owners[n] ?? '' }),
      ),
    )
    const accepted = 'provisioner.request.accepted'
    await events.until(() => events.count(accepted) >= owners.length, { check: service.checkAlive })
    const said: Said[] = []
    const ended = 'provisioner.request.completed'
    while (events.count(ended) < owners.length) {
      service.checkAlive()
      await sleep(ASK_EVERY_MS)
      for (const project of projects)
        for (const status of await ask(project, `state=queued&limit=${ASKED}`)) {
          const { estimated_dispatch_at: dispatch, estimated_at: running } = status.waiting ?? {}
          if (!dispatch || !running) continue
          const times = { dispatchMs: Date.parse(String(dispatch)), runningMs: Date.parse(String(running)) }
          said.push({ key: `${project}/${status.request_id}`, at: Date.now(), ...times })
        }
    }
    const actual = new Map<string, RequestStatus>()
    for (const project of projects) {
      const ids = [...new Set(said.map(({ key }) => key))]
        .filter((key) => key.startsWith(`${project}/`))
        .map((key) => key.slice(project.length + 1))
      for (let first = 0; first < ids.length; first += 100)
        for (const status of await ask(
          project,
          `limit=200&request_id=${ids.slice(first, first + 100).join(',')}`,
        ))
          actual.set(`${project}/${status.request_id}`, status)
    }
    const errors = (
      all: readonly Said[],
      of: (one: Said) => number,
      to: (status: RequestStatus) => unknown,
    ) =>
      all.flatMap((one) => {
        const status = actual.get(one.key)
        const time = status === undefined ? Number.NaN : Date.parse(String(to(status)))
        return Number.isNaN(time)
          ? []
          : [Math.abs(time - of(one)) / Math.max(LEAST_HORIZON_MS, of(one) - one.at)]
      })
    const dispatch = errors(
      said,
      (one) => one.dispatchMs,
      (status) => status.dispatched_at,
    )
    // Before an instance has run, nothing is known of boots.
    const known = said.filter(({ dispatchMs, runningMs }) => runningMs > dispatchMs)
    const running = errors(
      known,
      (one) => one.runningMs,
      (status) => status.completed_at,
    )
    const [p50, p90] = [percentile(dispatch, 0.5), percentile(dispatch, 0.9)]
    log(`${dispatch.length} forecasts, error p50 ${round(100 * p50)} %, p90 ${round(100 * p90)} %`)
    return {
      value: round(p90),
      unit: 'error of when an order goes out, p90, as a part of how far it is looked ahead',
      raw: null,
      ratio: null,
      target: `p50 at most ${MOST_ERROR_P50}, p90 at most ${MOST_ERROR_P90}`,
      met: p50 <= MOST_ERROR_P50 && p90 <= MOST_ERROR_P90,
      details: {
        orders: owners.length,
        projects: PROJECTS,
        forecasts: dispatch.length,
        dispatch_error_p50: round(p50),
        dispatch_error_p90: round(p90),
        running_forecasts: known.length,
        running_error_p50: round(percentile(running, 0.5)),
        running_error_p90: round(percentile(running, 0.9)),
      },
    }
  } finally {
    await service.stop()
    await events.close()
    await world.close()
    await upstream.stop()
  }
}
