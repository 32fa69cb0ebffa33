import { type EndToEndRun, runRaw, runService } from '../end-to-end-run.ts'
import { compare, comparedResult } from '../rounds.ts'
import type { Scenario } from '../scenario.ts'
import { figuresOf, round } from '../statistics.ts'
import { startUpstream } from '../upstream.ts'

/** The whole way with no limit in it: from the first publish to the last `instance.running` event. */
export const endToEnd: Scenario = async (context) => {
  const { bench, options } = context
  const requests = options.quick ? 1000 : 20_000
  const upstream = await startUpstream(bench.folder)
  const runs: EndToEndRun[] = []
  const rawRuns: EndToEndRun[] = []
  const measure = async (run: typeof runService | typeof runRaw, into: EndToEndRun[]) => {
    const world = await bench.createWorld()
    try {
      const result = await run({ bench, world, upstream, requests })
      into.push(result)
      return result.perSecond
    } finally {
      await world.close()
    }
  }
  try {
    const compared = await compare({
      context,
      rounds: 5,
      unit: 'requests/s',
      service: () => measure(runService, runs),
      raw: () => measure(runRaw, rawRuns),
    })
    const medianOf = (key: keyof EndToEndRun, of: readonly EndToEndRun[]) =>
      round(figuresOf(of.map((run) => run[key])).median)
    return comparedResult(compared, {
      unit: 'requests/s',
      least: 0.5,
      details: {
        requests,
        cpu_seconds_per_1000: medianOf('cpuSecondsPer1000', runs),
        postgres_cpu_seconds_per_1000: medianOf('postgresCpuSecondsPer1000', runs),
        rabbitmq_cpu_seconds_per_1000: medianOf('rabbitmqCpuSecondsPer1000', runs),
        raw_cpu_seconds_per_1000: medianOf('cpuSecondsPer1000', rawRuns),
        raw_postgres_cpu_seconds_per_1000: medianOf('postgresCpuSecondsPer1000', rawRuns),
        raw_rabbitmq_cpu_seconds_per_1000: medianOf('rabbitmqCpuSecondsPer1000', rawRuns),
        peak_rss_mb: medianOf('peakRssMb', runs),
        not_sent: medianOf('notSent', runs),
      },
    })
  } finally {
    await upstream.stop()
  }
}
