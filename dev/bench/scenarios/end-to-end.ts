import { prepareBaseline } from '../baseline.ts'
import { type EndToEndRun, runRaw, runService } from '../end-to-end-run.ts'
import { allProcesses, compareCpu, cpuDetails, describeRun } from '../pipeline-run.ts'
import { comparedResult, inTurn, ratiosOf } from '../rounds.ts'
import type { Scenario } from '../scenario.ts'
import { BY_KEYS } from '../service.ts'
import { figuresOf, round } from '../statistics.ts'
import { startUpstream } from '../upstream.ts'
import type { World } from '../world.ts'

/** The whole way with no limit in it: from the first publish to the last `instance.running` event. */
export const endToEnd: Scenario = async (context) => {
  const { bench, options, log } = context
  const requests = options.quick ? 1000 : 20_000
  const upstream = await startUpstream(bench.folder)
  const baseline =
    options.baseline === null ? null : await prepareBaseline({ bench, ref: options.baseline, log })
  const on = (createWorld: () => Promise<World>, run: (world: World) => Promise<EndToEndRun>) => async () => {
    const world = await createWorld()
    try {
      return await run(world)
    } finally {
      await world.close()
    }
  }
  try {
    const runs = await inTurn({
      context,
      rounds: 5,
      contenders: {
        service: on(bench.createWorld, (world) => runService({ bench, world, upstream, requests })),
        raw: on(bench.createWorld, (world) => runRaw({ bench, world, upstream, requests, events: 4 })),
        raw_one_event: on(bench.createWorld, (world) =>
          runRaw({ bench, world, upstream, requests, events: 1 }),
        ),
        signed:
          options.auth === 'token'
            ? null
            : on(bench.createWorld, (world) =>
                runService({ bench, world, upstream, requests, credential: BY_KEYS }),
              ),
        baseline:
          baseline &&
          on(baseline.createWorld, (world) =>
            runService({ bench, world, upstream, requests, root: baseline.root }),
          ),
      },
      describe: describeRun(allProcesses),
    })
    const compared = compareCpu(runs.service, runs.raw, allProcesses)
    const medianOf = (read: (run: EndToEndRun) => number) => round(figuresOf(runs.service.map(read)).median)
    const cpuOf = (own: readonly EndToEndRun[]) => own.map((run) => allProcesses(run.cpuMs))
    return comparedResult(compared, {
      unit: 'requests/s; the ratio is raw by service in processor time',
      least: 0.65,
      details: {
        requests,
        cpu: {
          service: cpuDetails(runs.service, allProcesses),
          raw: cpuDetails(runs.raw, allProcesses),
          raw_one_event: cpuDetails(runs.raw_one_event, allProcesses),
          ...(baseline && { baseline: cpuDetails(runs.baseline, allProcesses) }),
          ...(runs.signed.length > 0 && { signed: cpuDetails(runs.signed, allProcesses) }),
        },
        ratio_to_one_event: round(compareCpu(runs.service, runs.raw_one_event, allProcesses).ratio.median),
        ratio_by_rate: round(ratiosOf(rates(runs.service), rates(runs.raw)).median),
        ...(runs.signed.length > 0 && {
          signed_part_of_token: round(ratiosOf(cpuOf(runs.signed), cpuOf(runs.service)).median),
        }),
        ...(baseline && {
          part_of_baseline: round(ratiosOf(cpuOf(runs.service), cpuOf(runs.baseline)).median),
        }),
        peak_rss_mb: medianOf((run) => run.peakRssMb),
        wal_bytes_per_request: medianOf((run) => run.walBytes),
        not_sent: medianOf((run) => run.notSent),
        requests_per_claim: medianOf((run) => run.perClaim),
        requests_per_record: medianOf((run) => run.perRecord),
      },
    })
  } finally {
    await upstream.stop()
    await baseline?.remove()
  }
}

function rates(runs: readonly EndToEndRun[]): number[] {
  return runs.map((run) => run.perSecond)
}
