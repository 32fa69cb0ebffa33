import { createOutcomeRecorder } from '../../src/attempt/outcome-recorder.ts'
import { createDispatcher, type DispatcherOptions } from '../../src/dispatch/dispatcher.ts'
import { PASSWORD, type ReconcileWorld } from './reconcile-world.ts'
import { tirelessReplica } from './tireless-replica.ts'

/** Starts a dispatcher in a world, with a recorder on the world's database; `changes` are the dispatcher's. */
export async function runDispatcher(
  world: ReconcileWorld,
  changes: Partial<DispatcherOptions> = {},
): Promise<void> {
  const { database, client, installation, metrics, logger } = world
  const recorder = createOutcomeRecorder({
    database,
    pollTimes: { firstPollMs: 1000, provisionTimeoutMs: 3_600_000 },
    metrics,
    logger,
    onRecorded: () => undefined,
    signal: new AbortController().signal,
  })
  const dispatcher = createDispatcher({
    database,
    client,
    installation,
    sealer: { seal: () => Buffer.alloc(0), open: () => PASSWORD },
    replica: tirelessReplica(world.replicaId),
    syncLimits: async () => undefined,
    recorder,
    concurrency: 4,
    callTimeoutMs: 5000,
    readinessShare: 0.02,
    firstLookMs: 100,
    settleMs: 60_000,
    metrics,
    logger,
    ...changes,
  })
  await world.run(dispatcher)
}
