import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { isRejected, isRetryable } from '../database/errors.ts'
import { jitteredBackoff } from '../runtime/backoff.ts'
import { writeInHalves } from '../runtime/halves.ts'
import { createOutageLog } from '../runtime/outage-log.ts'

export type WriteResult<Value> =
  | { kind: 'written'; value: Value }
  /** The database will not take it, now or later. */
  | { kind: 'refused'; error: unknown }
  /** The database stayed unreachable until the stop; the write may or may not have taken effect. */
  | { kind: 'stopped' }

export interface WriteRetryOptions {
  logger: Logger
  /** Ends the retries; a write under way goes on. */
  signal: AbortSignal
  /** The database has become unreachable: called once per outage. */
  onUnreachable: () => void
  /** It has answered again. */
  onBack: () => void
}

export type WriteRetry = <Value>(write: () => Promise<Value>) => Promise<WriteResult<Value>>

/** Retries idempotent writes for as long as the database is unreachable. All of them share one outage. */
export function createWriteRetry({ logger, signal, onUnreachable, onBack }: WriteRetryOptions): WriteRetry {
  const outage = createOutageLog({ logger, subject: 'intake: database' })
  let unreachable = false

  const failed = (error: unknown) => {
    outage.failed(error)
    if (unreachable) return
    unreachable = true
    onUnreachable()
  }
  const worked = () => {
    outage.recovered()
    if (!unreachable) return
    unreachable = false
    if (!signal.aborted) onBack()
  }

  return async (write) => {
    for (let failures = 1; ; failures += 1) {
      try {
        const value = await write()
        worked()
        return { kind: 'written', value }
      } catch (error) {
        if (!isRetryable(error)) {
          worked()
          return { kind: 'refused', error }
        }
        if (!isRetryable(error, 'conflict')) failed(error)
      }
      if (signal.aborted) return { kind: 'stopped' }
      await sleep(jitteredBackoff(failures, { minMs: 100, maxMs: 5000 }), undefined, { signal }).catch(
        () => undefined,
      )
      if (signal.aborted) return { kind: 'stopped' }
    }
  }
}

/**
 * Writes items in one go. Those that the database refuses are left out and do not hold up the others. Results come in
 * the order of the items.
 */
export async function writeEach<Item, Value>(
  retry: WriteRetry,
  items: readonly Item[],
  write: (items: readonly Item[]) => Promise<readonly Value[]>,
): Promise<WriteResult<Value>[]> {
  const results = await writeInHalves(
    items,
    async (part): Promise<WriteResult<Value>[]> => {
      const result = await retry(() => write(part))
      if (result.kind === 'refused') throw result.error
      if (result.kind === 'stopped') return part.map(() => result)
      return result.value.map((value) => ({ kind: 'written', value }))
    },
    isRejected,
  )
  return results.map((result) =>
    result.status === 'fulfilled' ? result.value : { kind: 'refused', error: result.reason },
  )
}
