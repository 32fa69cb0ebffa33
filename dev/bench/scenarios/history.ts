import { type EndToEndRun, runService } from '../end-to-end-run.ts'
import { fillHistory } from '../history-fill.ts'
import { explainHotStatements } from '../hot-statements.ts'
import type { Scenario } from '../scenario.ts'
import { figuresOf, round } from '../statistics.ts'
import { startUpstream } from '../upstream.ts'
import type { World } from '../world.ts'

const LEAST = 0.9

/** `end_to_end` with finished requests in the tables: cost per request must not follow the history. */
export const history: Scenario = async ({ bench, options, log }) => {
  const sizes = options.quick ? [0, 10_000, 50_000] : [0, 1_000_000, 5_000_000]
  const requests = options.quick ? 1000 : 20_000
  const rounds = options.rounds ?? 3
  const upstream = await startUpstream(bench.folder)
  const worlds: World[] = []
  try {
    for (const size of sizes) {
      const world = await bench.createWorld()
      worlds.push(world)
      await fillHistory(world.databaseUrl, size, log)
    }
    const runs = sizes.map((): EndToEndRun[] => [])
    for (let number = 0; number < rounds; number += 1) {
      // The order changes from round to round, so that no size always comes first.
      const order = number % 2 === 0 ? sizes.keys() : [...sizes.keys()].reverse()
      for (const index of order) {
        const world = worlds[index]
        if (world === undefined) continue
        const run = await runService({ bench, world, upstream, requests, firstNumber: 1 + number * requests })
        runs[index]?.push(run)
        log(`round ${number + 1}, ${sizes[index]} finished: ${round(run.perSecond)} requests/s`)
      }
    }
    const last = worlds.at(-1)
    const statements = last === undefined ? {} : await explainHotStatements(last)
    const figures = runs.map((own) => figuresOf(own.map((run) => run.perSecond)))
    const medians = figures.map((one) => one.median)
    const value = medians.at(-1) ?? Number.NaN
    const raw = medians[0] ?? Number.NaN
    const ratios = (runs[0] ?? []).map(
      (first, index) => (runs.at(-1)?.[index]?.perSecond ?? 0) / first.perSecond,
    )
    const ratio = figuresOf(ratios)
    return {
      value: round(value),
      unit: `requests/s with ${sizes.at(-1)} finished`,
      raw: round(raw),
      ratio: round(ratio.median),
      target: `ratio at least ${LEAST}`,
      met: ratio.median >= LEAST,
      spread: { value: figures.at(-1) ?? figuresOf([value]), raw: figures[0] ?? figuresOf([raw]), ratio },
      details: {
        raw_is: 'the service with empty tables',
        requests,
        requests_per_second: sizes.map((size, index) => ({
          finished: size,
          median: round(medians[index] ?? 0),
        })),
        statements,
      },
    }
  } finally {
    for (const world of worlds) await world.close()
    await upstream.stop()
  }
}
