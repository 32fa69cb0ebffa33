import type { Logger } from 'pino'
import type { ThroughPrisma } from '../database/database.ts'
import { createLoop } from '../runtime/run-loop.ts'
import type { Service } from '../runtime/service.ts'
import { addFlow, FLOW_STEP_SECONDS, type Flow, NO_FLOW } from './add-flow.sql.ts'
import type { Metrics } from './metrics.ts'

const STEP_MS = FLOW_STEP_SECONDS * 1000

/**
 * Writes what this process has done, step by step, for the overview: the difference of counters that are there anyway, in
 * one statement, and none where nothing was done. What could not be written comes with the next step.
 */
export function createFlowCounter({
  database,
  metrics,
  replicaId,
  logger,
}: {
  database: ThroughPrisma
  metrics: CountedFlow
  replicaId: () => string
  logger: Logger
}): Service {
  let told = NO_FLOW

  const tell = async () => {
    const now = await readFlow(metrics)
    const done = difference(now, told)
    if (Object.values(done).every((count) => count === 0)) return
    await addFlow(database, replicaId(), done)
    told = now
  }

  return createLoop({
    name: 'flow counter',
    logger,
    idleMs: STEP_MS,
    runOnce: async () => {
      await tell()
      return { again: false, waitMs: STEP_MS - (Date.now() % STEP_MS) }
    },
    onStop: () =>
      tell().catch((error: unknown) => logger.debug({ err: error }, 'the last counts were not written')),
  })
}

export type CountedFlow = Pick<Metrics, 'intake' | 'dispatch' | 'readiness' | 'requests' | 'outbox'>

/** What the process has done since its start. */
export async function readFlow({
  intake,
  dispatch,
  readiness,
  requests,
  outbox,
}: CountedFlow): Promise<Flow> {
  const ran = (state: string) => state === 'running' || state === 'partially_running'
  const [accepted, dispatched, running, failed, published, pollsAnswered, pollsFailed] = await Promise.all([
    total(intake.messages, ({ result }) => result === 'stored'),
    total(dispatch.calls),
    total(requests.ended, ({ state }) => ran(String(state))),
    total(requests.ended, ({ state }) => !ran(String(state))),
    total(outbox.published),
    total(readiness.calls, ({ result }) => result === 'ok'),
    total(readiness.calls, ({ result }) => result === 'failed'),
  ])
  return { accepted, dispatched, running, failed, published, pollsAnswered, pollsFailed }
}

type Labels = Readonly<Record<string, string | number | undefined>>

async function total(
  counter: { get(): Promise<{ values: readonly { value: number; labels: Labels }[] }> },
  counts: (labels: Labels) => boolean = () => true,
): Promise<number> {
  const { values } = await counter.get()
  return values.filter(({ labels }) => counts(labels)).reduce((sum, { value }) => sum + value, 0)
}

function difference(now: Flow, before: Flow): Flow {
  return {
    accepted: now.accepted - before.accepted,
    dispatched: now.dispatched - before.dispatched,
    running: now.running - before.running,
    failed: now.failed - before.failed,
    published: now.published - before.published,
    pollsAnswered: now.pollsAnswered - before.pollsAnswered,
    pollsFailed: now.pollsFailed - before.pollsFailed,
  }
}
