import { setTimeout as sleep } from 'node:timers/promises'
import { monotonicMs } from '../clock.ts'
import type { MeasuredProcess } from '../measured-process.ts'
import { orders, publishAll } from '../messages.ts'
import { compareCpu, cpuDetails, describeRun, nodeAndPostgres, type PipelineRun } from '../pipeline-run.ts'
import { RAW_TABLE } from '../raw/requests.ts'
import { startRaw } from '../raw-process.ts'
import { comparedResult, inTurn, ratiosOf } from '../rounds.ts'
import type { Scenario } from '../scenario.ts'
import { serverUsage } from '../server-usage.ts'
import { startService } from '../service.ts'
import { round } from '../statistics.ts'
import type { World } from '../world.ts'

/** A backlog in the request queue until all of it is stored and acknowledged, from the first stored row on. */
export const intake: Scenario = async (context) => {
  const { bench, options } = context
  const messages = options.quick ? 3000 : 50_000
  const measure = async (
    table: string,
    start: (world: World) => Promise<MeasuredProcess>,
  ): Promise<PipelineRun> => {
    const world = await bench.createWorld()
    await world.pool.query(RAW_TABLE)
    await publishAll(world.broker, orders(1, messages))
    const child = await start(world)
    try {
      const startedAt = await firstRow(world, table, child)
      const before = { own: child.usage().cpuSeconds, postgres: serverUsage().postgres }
      const endedAt = await allStored(world, table, messages, child)
      const own = child.usage().cpuSeconds - before.own
      const postgres = serverUsage().postgres - before.postgres
      await child.stop()
      await expectEmptyQueue(world)
      const msPerMessage = (seconds: number) => (seconds / messages) * 1000
      return {
        perSecond: (messages / (endedAt - startedAt)) * 1000,
        cpuMs: { node: msPerMessage(own), postgres: msPerMessage(postgres), rabbitmq: Number.NaN },
      }
    } finally {
      await child.stop()
      await world.close()
    }
  }

  const runs = await inTurn({
    context,
    rounds: 5,
    contenders: {
      service: () =>
        measure('provision_request', (world) =>
          startService({
            bench,
            world,
            upstreamUrl: 'http://127.0.0.1:9',
            settings: { ROLES: 'intake,api' },
          }),
        ),
      raw: () => measure('raw_request', async (world) => startRaw({ bench, world, pipeline: 'intake' })),
    },
    describe: describeRun(nodeAndPostgres),
  })
  const rates = (of: readonly PipelineRun[]) => of.map((run) => run.perSecond)
  return comparedResult(compareCpu(runs.service, runs.raw, nodeAndPostgres), {
    unit: 'messages/s; the ratio is raw by service in processor time',
    least: 0.4,
    details: {
      messages,
      cpu: {
        service: cpuDetails(runs.service, nodeAndPostgres),
        raw: cpuDetails(runs.raw, nodeAndPostgres),
      },
      ratio_by_rate: round(ratiosOf(rates(runs.service), rates(runs.raw)).median),
    },
  })
}

async function firstRow(world: World, table: string, child: MeasuredProcess): Promise<number> {
  for (;;) {
    child.checkAlive()
    const { rowCount } = await world.pool.query(`SELECT 1 FROM ${table} LIMIT 1`)
    if (rowCount === 1) return monotonicMs()
    await sleep(2)
  }
}

/** Looks at the queue, which costs nothing, and counts rows only once it is empty. */
async function allStored(
  world: World,
  table: string,
  expected: number,
  child: MeasuredProcess,
): Promise<number> {
  while ((await world.channel.checkQueue('provision.requests')).messageCount > 0) {
    child.checkAlive()
    await sleep(20)
  }
  for (;;) {
    const { rows } = await world.pool.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${table}`)
    if (rows[0]?.n === expected) return monotonicMs()
    child.checkAlive()
    await sleep(5)
  }
}

/** What was not acknowledged is back in the queue once its consumer is gone. */
async function expectEmptyQueue(world: World): Promise<void> {
  const { messageCount } = await world.channel.checkQueue('provision.requests')
  if (messageCount > 0) throw new Error(`${messageCount} messages were stored but not acknowledged`)
}
