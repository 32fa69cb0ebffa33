import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Database } from '../database/database.ts'
import { reached } from '../runtime/steps.ts'
import { removeSegments } from './read-segments.sql.ts'

const RETRY_MS = 200
/** Statements begin at least so many milliseconds apart: nobody waits for a removal. */
const GAP_MS = 25

export interface Removals {
  /** The events of the segment at this position are out: its row is removed. */
  add(position: number): void
  /** Resolves when no row is being removed. */
  drained(): Promise<void>
}

/** Removes rows from the outbox in batches, and retries until the database has done it. */
export function createRemovals({
  database,
  logger,
  onRemoved,
  signal,
}: {
  database: Database
  logger: Logger
  /** The rows of these positions are out of the outbox. */
  onRemoved: (positions: readonly number[]) => void
  /** Ends the retries: the rows stay, and their events are published again. */
  signal: AbortSignal
}): Removals {
  let waiting: number[] = []
  let removing: Promise<void> | undefined
  let removedAt = Number.NEGATIVE_INFINITY

  const removeAll = async () => {
    while (waiting.length > 0) {
      await sleep(Math.max(0, removedAt + GAP_MS - performance.now()))
      removedAt = performance.now()
      const positions = waiting
      waiting = []
      try {
        await removeSegments(database, positions)
        reached('outbox.removed')
      } catch (error) {
        logger.debug({ err: error }, 'published segments not removed yet')
        waiting.push(...positions)
        await sleep(RETRY_MS)
        if (signal.aborted) break
        continue
      }
      onRemoved(positions)
    }
    // In the same instant as the last look, or what is added in between would wait for the next one.
    removing = undefined
  }

  return {
    add: (position) => {
      waiting.push(position)
      removing ??= removeAll()
    },
    drained: async () => removing,
  }
}
