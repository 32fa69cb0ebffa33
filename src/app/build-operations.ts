import { createQueueLength } from '../amqp/queue-length.ts'
import { DEAD_LETTER_QUEUE } from '../amqp/topology.ts'
import type { OperationsApi } from '../api/operations/operations-routes.ts'
import { createOperationsReads } from '../operations/reads.ts'
import { ResolveError, resolveByHand } from '../operations/resolve-by-hand.ts'
import type { Core } from './core.ts'
import type { WakeUps } from './wake-ups.ts'

/** What operators see and do. */
export function buildOperations(core: Core, { onSettled }: WakeUps): { api: OperationsApi } {
  const { config, database, broker, pollTimes } = core
  const rules = { settleMs: config.reconcileSettleMs, maxAttempts: config.maxAttempts, pollTimes }
  const deadLetters = createQueueLength({ broker, queue: DEAD_LETTER_QUEUE })

  const api: OperationsApi = {
    reads: createOperationsReads({ database }),
    resolve: async (key, verdict, by) => {
      try {
        const { settled } = await resolveByHand(database, key, verdict, rules, by)
        onSettled(settled)
        return null
      } catch (error) {
        if (error instanceof ResolveError) return error
        throw error
      }
    },
    inQueue: deadLetters.ask,
  }
  return { api }
}
