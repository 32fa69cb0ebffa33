import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Database } from '../database/database.ts'
import { reached } from '../runtime/steps.ts'
import { parkEvents, removeEvents } from './outbox-events.sql.ts'

const FIRST_RETURN_RETRY_MS = 2000
const RETRY_MS = 200

export interface Removals {
  /** The broker has the event at this position: its row is removed. */
  confirmed(position: number): void
  /** No queue takes the event at this position: its row is set aside. */
  returned(position: number): void
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
  let confirmed: number[] = []
  let returned: number[] = []
  let removing: Promise<void> | undefined

  const removeAll = async () => {
    await new Promise(setImmediate)
    while (confirmed.length + returned.length > 0) {
      const [done, parked] = [confirmed, returned]
      confirmed = []
      returned = []
      try {
        if (done.length > 0) await removeEvents(database, done)
        if (parked.length > 0) await parkEvents(database, parked, FIRST_RETURN_RETRY_MS)
        reached('outbox.removed')
      } catch (error) {
        logger.debug({ err: error }, 'published events not removed yet')
        confirmed.push(...done)
        returned.push(...parked)
        await sleep(RETRY_MS)
        if (signal.aborted) break
        continue
      }
      onRemoved([...done, ...parked])
    }
    // In the same instant as the last look, or what is confirmed in between would wait for the next confirm.
    removing = undefined
  }

  const removeSoon = () => {
    removing ??= removeAll()
  }

  return {
    confirmed: (position) => {
      confirmed.push(position)
      removeSoon()
    },
    returned: (position) => {
      returned.push(position)
      removeSoon()
    },
    drained: async () => removing,
  }
}
