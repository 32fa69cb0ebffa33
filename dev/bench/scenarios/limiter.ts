import { setTimeout as sleep } from 'node:timers/promises'
import { judgeBudget } from '../budget.ts'
import { monotonicMs } from '../clock.ts'
import { orderMessage, publishAll } from '../messages.ts'
import type { Scenario, ScenarioContext } from '../scenario.ts'
import { type ServiceProcess, startService, sumOf } from '../service.ts'
import { readStatements, resetStatements } from '../statement-count.ts'
import { round } from '../statistics.ts'
import { startUpstream, type Upstream } from '../upstream.ts'

const LIMIT = { rate: 200, burst: 20 }
/** One project, with a limit of its own. */
const ALONE: Setup = { projects: 1, limit: LIMIT, projectLimit: LIMIT, settings: settingsOf(LIMIT) }
/** Many projects, on a credential that is limited as well: far below the sum of theirs. */
const SHARED_LIMIT = { rate: 10, burst: 10 }
const SHARED_PROJECT_LIMIT = { rate: 5, burst: 5 }
const SHARED: Setup = {
  projects: 20,
  limit: SHARED_LIMIT,
  projectLimit: SHARED_PROJECT_LIMIT,
  settings: {
    ...settingsOf(SHARED_PROJECT_LIMIT),
    CREDENTIAL_RATE_LIMITS: JSON.stringify({
      default: { per_second: SHARED_LIMIT.rate, burst: SHARED_LIMIT.burst },
    }),
  },
}
const REPLICAS = [1, 3, 5]
const SHARED_REPLICAS = 3
const LEAST_USE = 0.99
const MOST_STATEMENTS = 2
/** All replicas start and take in the whole backlog at the same moment, on the same cores; after this they are warm. */
const WARM_UP_MS = 2000

interface Setup {
  projects: number
  /** Of all calls together. */
  limit: { rate: number; burst: number }
  projectLimit: { rate: number; burst: number }
  settings: Readonly<Record<string, string>>
}

interface LimiterRun {
  replicas: number
  /** Calls as a share of what the rate allows, once warm. */
  use: number
  /** Calls as a share of burst and rate, from the first call on. */
  use_with_start: number
  /** Of the limit of all calls, and of those of the projects. */
  violations: number
  /** Creating calls of the project with the fewest. */
  least_served: number
  calls: number
  /** Of pending instances, and of ready servers: paid from the same budget. */
  polls: number
  readings: number
  not_sent: number
  /** Database statements of all roles per upstream call; null where the server does not count. */
  statements_per_call: number | null
  dispatch_statements_per_call: number | null
}

/**
 * One project with a backlog, and twenty that share a credential: how fully the budget is used, and whether it is ever
 * broken, seen from upstream.
 */
export const limiter: Scenario = async (context) => {
  const upstream = await startUpstream(context.bench.folder)
  try {
    const counted = await context.bench.countStatements()
    const runs: LimiterRun[] = []
    for (const replicas of REPLICAS)
      runs.push(await measure(context, upstream, { ...ALONE, replicas, counted }))
    const shared = await measure(context, upstream, { ...SHARED, replicas: SHARED_REPLICAS, counted })
    const use = Math.min(...runs.map((run) => run.use), shared.use)
    const violations = [...runs, shared].reduce((sum, run) => sum + run.violations, 0)
    const statements = Math.max(...runs.map((run) => run.statements_per_call ?? 0))
    return {
      value: round(use * 100),
      unit: '% of the budget used once warm, least of 1, 3, 5 replicas and of a shared credential',
      raw: 100,
      ratio: round(use),
      target: `at least ${LEAST_USE * 100} %, no violation, at most ${MOST_STATEMENTS} statements per call`,
      met: use >= LEAST_USE && violations === 0 && statements <= MOST_STATEMENTS && shared.least_served > 0,
      details: { limit: LIMIT, runs, shared_limit: SHARED_LIMIT, shared },
    }
  } finally {
    await upstream.stop()
  }
}

async function measure(
  { bench, options, log }: ScenarioContext,
  upstream: Upstream,
  {
    projects,
    limit,
    projectLimit,
    settings,
    replicas,
    counted,
  }: Setup & { replicas: number; counted: boolean },
): Promise<LimiterRun> {
  const seconds = options.quick ? 6 : 30
  const orders = limit.burst + limit.rate * seconds
  const world = await bench.createWorld()
  const services: ServiceProcess[] = []
  try {
    await upstream.reset()
    for (let n = 0; n < replicas; n += 1) {
      services.push(await startService({ bench, world, upstreamUrl: upstream.url, settings }))
    }
    await Promise.all(services.map((service) => service.ready()))
    if (counted) await resetStatements(world)
    const bodies = Array.from({ length: orders }, (_, number) => orderMessage({ number, projects }))
    await publishAll(world.broker, bodies)
    const deadline = monotonicMs() + seconds * 4000
    for (let done = 0; done < orders; done = (await upstream.counts()).calls) {
      for (const service of services) service.checkAlive()
      if (monotonicMs() > deadline) throw new Error(`only ${done} of ${orders} calls in ${seconds * 4} s`)
      await sleep(50)
    }
    const statements = counted ? await readStatements(world) : null
    const { calls, lists, readings } = await upstream.record()
    const last = calls.at.at(-1) ?? 0
    // Polls and preflight's readings are calls of the same budget.
    const all = [calls, lists, readings]
      .flatMap(({ at, project }) => at.map((time, n) => ({ time, project: project[n] ?? '' })))
      .filter(({ time }) => time <= last)
      .sort((one, other) => one.time - other.time)
    const arrivals = all.map(({ time }) => time)
    const byProject = [...Map.groupBy(all, ({ project }) => project).values()].map((own) =>
      own.map(({ time }) => time),
    )
    const served = [...Map.groupBy(calls.project, (project) => project).values()].map((own) => own.length)
    const judgement = judgeBudget(arrivals, limit)
    const warm = arrivals.filter((at) => at >= (arrivals[0] ?? 0) + WARM_UP_MS)
    const warmSeconds = ((warm.at(-1) ?? 0) - (warm[0] ?? 0)) / 1000
    const metrics = await Promise.all(services.map((service) => service.metrics()))
    const run: LimiterRun = {
      replicas,
      use: round((warm.length - 1) / (limit.rate * warmSeconds)),
      use_with_start: round(judgement.use),
      violations:
        judgement.violations +
        byProject.reduce((sum, own) => sum + judgeBudget(own, projectLimit).violations, 0),
      least_served: served.length < projects ? 0 : Math.min(...served),
      calls: calls.at.length,
      polls: lists.at.filter((at) => at <= last).length,
      readings: readings.at.filter((at) => at <= last).length,
      not_sent: metrics.reduce(
        (sum, one) => sum + sumOf(one, 'dispatch_calls_total', 'reason="not_sent"'),
        0,
      ),
      statements_per_call: statements && round(statements.total / judgement.calls),
      dispatch_statements_per_call:
        statements && round((statements.claims + statements.settlements) / judgement.calls),
    }
    log(
      `${replicas} replicas, ${projects} projects: ${round(run.use * 100)} % used (${round(run.use_with_start * 100)} % with the start), ` +
        `${run.violations} violations, ` +
        `${run.statements_per_call} statements per call`,
    )
    return run
  } finally {
    await Promise.all(services.map((service) => service.stop()))
    await world.close()
  }
}

function settingsOf({ rate, burst }: { rate: number; burst: number }) {
  return { RATE_LIMIT_PER_SECOND: String(rate), RATE_LIMIT_BURST: String(burst) }
}
