import { setTimeout as sleep } from 'node:timers/promises'
import { monotonicMs } from '../clock.ts'
import { orderMessage, publishAll } from '../messages.ts'
import type { Scenario, ScenarioContext } from '../scenario.ts'
import { startService } from '../service.ts'
import { percentile, round } from '../statistics.ts'
import { startUpstream } from '../upstream.ts'
import type { World } from '../world.ts'

const MOST_MB = 250
/** The contract's default: a project's turn comes every fifth of a second. */
const TURN_SECONDS = 1 / 5

/** A long queue of many projects, one of which has half of all: memory, and how soon the last project has its turn. */
export const backlog: Scenario = async (context) => {
  const { bench, options, log } = context
  const [requests, projects] = options.quick ? [6000, 200] : [300_000, 2000]
  const upstream = await startUpstream(bench.folder)
  const world = await bench.createWorld()
  try {
    const intakePeakMb = await load(context, world, { requests, projects })
    const service = await startService({ bench, world, upstreamUrl: upstream.url })
    try {
      await service.ready()
      const seconds = options.quick ? 10 : 60
      const deadline = monotonicMs() + seconds * 1000
      while (monotonicMs() < deadline) {
        service.checkAlive()
        await sleep(200)
      }
      const { peakRssMb } = service.usage()
      const { calls } = await upstream.record()
      const startedAt = calls.at[0] ?? 0
      const firstCalls = new Map<string, number>()
      const callsOf = new Map<string, number>()
      for (const [index, project] of calls.project.entries()) {
        callsOf.set(project, (callsOf.get(project) ?? 0) + 1)
        if (!firstCalls.has(project)) firstCalls.set(project, ((calls.at[index] ?? 0) - startedAt) / 1000)
      }
      const perSecond = calls.at.length / (((calls.at.at(-1) ?? 0) - startedAt) / 1000)
      const firsts = [...firstCalls.values()]
      const last = firsts.length === projects ? Math.max(...firsts) : Number.POSITIVE_INFINITY
      // A round of all projects at the pace of the machine, and the wait for one token.
      const turn = projects / perSecond + TURN_SECONDS
      const small = [...callsOf].filter(([project]) => project !== 'project-0').map(([, count]) => count)
      log(
        `peak ${round(peakRssMb)} MB; first call of the last project after ${round(last)} s, ${round(perSecond)} calls/s`,
      )
      return {
        value: round(peakRssMb),
        unit: 'MB peak of the dispatching replica',
        raw: null,
        ratio: null,
        target: `at most ${MOST_MB} MB; the last project's first call within one round of all projects`,
        met: peakRssMb <= MOST_MB && intakePeakMb <= MOST_MB && last <= 1.5 * turn,
        details: {
          requests,
          projects,
          intake_peak_mb: round(intakePeakMb),
          calls_per_second: round(perSecond),
          one_round_of_all_projects_s: round(turn),
          first_call_s: {
            p50: round(percentile(firsts, 0.5)),
            p99: round(percentile(firsts, 0.99)),
            last: round(last),
            projects_called: firsts.length,
          },
          calls_of_a_small_project: {
            p1: percentile(small, 0.01),
            p50: percentile(small, 0.5),
            p99: percentile(small, 0.99),
          },
          calls_of_the_large_project: callsOf.get('project-0') ?? 0,
        },
      }
    } finally {
      await service.stop()
    }
  } finally {
    await world.close()
    await upstream.stop()
  }
}

/** Through a replica that does nothing else; returns its peak memory in MB. */
async function load(
  { bench, log }: ScenarioContext,
  world: World,
  { requests, projects }: { requests: number; projects: number },
): Promise<number> {
  // Every other order is the first project's; the rest go round the others.
  const projectOf = (number: number) =>
    number % 2 === 0 ? 'project-0' : `project-${1 + (((number - 1) / 2) % (projects - 1))}`
  const service = await startService({
    bench,
    world,
    upstreamUrl: 'http://127.0.0.1:9',
    settings: { ROLES: 'intake,api' },
  })
  try {
    await service.ready()
    const startedAt = monotonicMs()
    const bodies = function* () {
      for (let number = 0; number < requests; number += 1) yield orderMessage({ number, projects, projectOf })
    }
    await publishAll(world.broker, bodies())
    for (let stored = 0; stored < requests; ) {
      await sleep(500)
      service.checkAlive()
      const { rows } = await world.pool.query<{ n: number }>(
        'SELECT count(*)::int AS n FROM provision_request',
      )
      stored = rows[0]?.n ?? 0
    }
    const { peakRssMb } = service.usage()
    log(
      `${requests} requests stored in ${round((monotonicMs() - startedAt) / 1000)} s, peak ${round(peakRssMb)} MB`,
    )
    return peakRssMb
  } finally {
    await service.stop()
  }
}
