import { addBoots, quantilesOf } from '../../../src/forecast/boot-curve.ts'
import { drawBoot } from '../../realistic-boots.ts'
import { createSeededRandom } from '../../seeded-random.ts'
import { countEvents } from '../event-counter.ts'
import { orderMessage, publishAll } from '../messages.ts'
import type { ScenarioContext } from '../scenario.ts'
import { NO_LIMIT, startService } from '../service.ts'
import { latencyFigures, round } from '../statistics.ts'
import { bootMsOf, bornAt, IMAGE_ID } from '../stub/stub.ts'
import { startUpstream } from '../upstream.ts'

/** Time runs so many times as fast as in a data centre. */
const ACCELERATION = 20
const [MIN_MS, MAX_MS] = [5000, 60_000]
const PROJECTS = 20
const BOOTS = 997
const SEEN = 300
const RUNNING = 'provisioner.instance.running'

export interface BootFigures {
  instances: number
  calls: number
  /** From an instance running to its event, in the seconds of a data centre. */
  mean_delay_s: number
  p50_delay_s: number
  p90_delay_s: number
}

/** Orders of 1 to 5 servers that boot as bare metal does, polled by growing intervals or by what is known of boots. */
export async function measureBoots(
  { bench, options, log }: ScenarioContext,
  learning: 'on' | 'off',
): Promise<BootFigures> {
  const random = createSeededRandom(17)
  const boots = Array.from({ length: BOOTS }, () => (1000 * drawBoot(random.next)) / ACCELERATION)
  const counts = Array.from({ length: options.quick ? 10 : 200 }, () => random.between(1, 5))
  const instances = counts.reduce((sum, count) => sum + count, 0)
  const upstream = await startUpstream(bench.folder)
  const world = await bench.createWorld()
  await upstream.set({ boots })
  const delays: number[] = []
  const events = await countEvents(world, (message) => {
    if (message.properties.type !== RUNNING) return
    const { data } = JSON.parse(message.content.toString()) as { data: { instance_id: string } }
    delays.push(Date.now() - bornAt(data.instance_id) - bootMsOf(data.instance_id, boots))
  })
  const seen = addBoots([], boots.slice(0, SEEN))
  for (let project = 0; project < PROJECTS; project += 1)
    await world.pool.query('INSERT INTO boot_curve VALUES ($1, $2, $3, $4, now())', [
      `project-${project}`,
      IMAGE_ID,
      seen,
      quantilesOf(seen),
    ])
  const service = await startService({
    bench,
    world,
    upstreamUrl: upstream.url,
    settings: {
      ...NO_LIMIT,
      POLL_MIN_MS: String(MIN_MS / ACCELERATION),
      POLL_MAX_MS: String(MAX_MS / ACCELERATION),
      POLL_LEARNING: learning,
    },
  })
  try {
    await service.ready()
    await publishAll(
      world.broker,
      counts.map((count, number) => orderMessage({ number, projects: PROJECTS, count })),
    )
    await events.until(() => delays.length >= instances, {
      check: service.checkAlive,
      silenceMs: 2_700_000 / ACCELERATION,
    })
    const { lists } = await upstream.counts()
    const seconds = delays.map((ms) => (Math.max(0, ms) * ACCELERATION) / 1000)
    const { p50_ms: p50, p90_ms: p90 } = latencyFigures(seconds)
    const mean = seconds.reduce((sum, one) => sum + one, 0) / seconds.length
    log(
      `learning ${learning}: ${lists} calls, known after ${round(mean)} s on average (${round(p90)} s at p90)`,
    )
    return { instances, calls: lists, mean_delay_s: round(mean), p50_delay_s: p50, p90_delay_s: p90 }
  } finally {
    await service.stop()
    await events.close()
    await world.close()
    await upstream.stop()
  }
}
