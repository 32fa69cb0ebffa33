import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { isObjection, PublishError } from '../amqp/errors.ts'
import type { OutgoingMessage } from '../amqp/message.ts'
import { letterId } from '../contracts/letter-id.ts'
import type { MessageRejection } from '../contracts/rejection.ts'
import { jitteredBackoff } from '../runtime/backoff.ts'
import { createBatcher } from '../runtime/batcher.ts'
import { createOutageLog } from '../runtime/outage-log.ts'
import { newUuid } from '../runtime/uuid.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { type Reason, toBareDeadLetter, toDeadLetter } from './dead-letter.ts'
import type { RejectedMessage } from './insert-rejections.sql.ts'
import type { RequestStore } from './request-store.ts'
import type { Carried, Received } from './sealed-letter.ts'
import { type WriteRetry, writeEach } from './write-retry.ts'

const ROWS_PER_INSERT = 200

/** The broker may have objected to another letter; after this many objections this one goes bare. */
const OBJECTIONS_BORNE = 3

export interface RejecterOptions {
  /** What a message's dead letter carries of it. */
  carry: (received: Received) => Promise<Carried>
  store: RequestStore
  publisher: { publish(message: OutgoingMessage): Promise<void> }
  retry: WriteRetry
  logger: Logger
  metrics: Metrics['intake']
  now: () => Date
  /** Ends the retries. */
  signal: AbortSignal
  /** Called after events were stored. */
  onEvents: () => void
}

export interface Rejecter {
  /**
   * Records the message in the index of dead letters, with its event `request.rejected` where it has ids, then sends it
   * to the dead-letter queue. Resolves with true when both are safe, however long that takes, and with false when the
   * stop came first: then the message must go back to its queue. A process that dies in between leaves a row whose
   * letter comes later, under a row of its own: the index may name a letter twice, but lacks none.
   */
  reject(received: Received, rejection: MessageRejection): Promise<boolean>
}

export function createRejecter(options: RejecterOptions): Rejecter {
  const { carry, store, publisher, retry, logger, metrics, now, signal, onEvents } = options
  const outage = createOutageLog({ logger, subject: 'intake: dead letters' })

  const records = createBatcher<RejectedMessage, boolean>({
    maxSize: ROWS_PER_INSERT,
    concurrency: 1,
    flush: async (batch) => {
      const results = await writeEach(retry, batch, async (part) => {
        await store.insertRejections(part)
        return part
      })
      if (results.some(({ kind }, index) => kind === 'written' && batch[index]?.event)) onEvents()
      // What the database refuses is a fault of this program; the message must not wait until it is repaired.
      for (const result of results)
        if (result.kind === 'refused') logger.error({ err: result.error }, 'rejection not stored')
      return results.map(({ kind }) => kind !== 'stopped')
    },
  })

  /** Waits before the next try; false when the stop came first. */
  const pause = async (failures: number): Promise<boolean> => {
    if (signal.aborted) return false
    await sleep(jitteredBackoff(failures, { minMs: 100, maxMs: 5000 }), undefined, { signal }).catch(
      () => undefined,
    )
    return true
  }

  /** Undefined when the stop came first. What cannot be sealed, for a fault of this program, is not shown either. */
  const carryAtLast = async (received: Received): Promise<Carried | undefined> => {
    for (let failures = 1; ; failures += 1) {
      try {
        return await carry(received)
      } catch (error) {
        outage.failed(error)
        if (!(await pause(failures))) return undefined
      }
    }
  }

  const publish = async (first: OutgoingMessage, carried: Carried, reason: Reason): Promise<boolean> => {
    let letter = first
    let objections = 0
    for (let failures = 1; ; failures += 1) {
      try {
        await publisher.publish(letter)
        outage.recovered()
        return true
      } catch (error) {
        outage.failed(error)
        if (error instanceof PublishError) {
          if (isObjection(error)) objections += 1
          if (error.kind === 'unencodable' || objections >= OBJECTIONS_BORNE)
            letter = toBareDeadLetter(carried, reason)
        }
      }
      if (!(await pause(failures))) return false
    }
  }

  return {
    reject: async (received, { code, detail, projectId, requestId, tracing }) => {
      const reason = { code, detail, at: now() }
      const carried = await carryAtLast(received)
      if (carried === undefined) return false
      const letter = toDeadLetter(carried, reason)
      const event =
        projectId === undefined || requestId === undefined
          ? null
          : { id: newUuid(), projectId, requestId, ...tracing, code, detail }
      const row = {
        id: letterId(letter),
        at: reason.at,
        code,
        projectId: projectId ?? null,
        requestId: requestId ?? null,
        faults: detail,
        bytes: received.delivery.body.length,
      }
      if (!(await records.add({ letter: row, event }))) return false
      if (!(await publish(letter, carried, reason))) return false
      metrics.deadLetters.inc({ code })
      logger.warn({ code, detail, projectId, requestId }, 'message dead-lettered')
      return true
    },
  }
}
