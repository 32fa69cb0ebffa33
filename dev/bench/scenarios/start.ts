import { freePort } from '../../servers/free-port.ts'
import { monotonicMs } from '../clock.ts'
import { startRaw } from '../raw-process.ts'
import type { Scenario } from '../scenario.ts'
import { startService } from '../service.ts'
import { figuresOf, round } from '../statistics.ts'

const TARGET_SECONDS = 1.5

/** From starting the process to the first ready answer, with the servers up. */
export const start: Scenario = async ({ bench, options, log }) => {
  const rounds = options.rounds ?? (options.quick ? 2 : 7)
  const world = await bench.createWorld()
  const seconds: number[] = []
  const rawSeconds: number[] = []
  try {
    for (let number = 1; number <= rounds; number += 1) {
      const startedAt = monotonicMs()
      const service = await startService({ bench, world, upstreamUrl: 'http://127.0.0.1:9' })
      await service.ready()
      seconds.push((monotonicMs() - startedAt) / 1000)
      await service.stop()

      const port = String(await freePort())
      const rawStartedAt = monotonicMs()
      const raw = startRaw({ bench, world, pipeline: 'start', environment: { PORT: port } })
      await raw.ready()
      rawSeconds.push((monotonicMs() - rawStartedAt) / 1000)
      await raw.stop()
      log(`round ${number}: ${round(seconds.at(-1) ?? 0)} s, raw ${round(rawSeconds.at(-1) ?? 0)} s`)
    }
  } finally {
    await world.close()
  }
  const value = figuresOf(seconds)
  const raw = figuresOf(rawSeconds)
  return {
    value: round(value.median),
    unit: 's',
    raw: round(raw.median),
    ratio: round(raw.median / value.median),
    target: `at most ${TARGET_SECONDS} s`,
    met: value.median <= TARGET_SECONDS,
    spread: { value, raw },
    details: {},
  }
}
