import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Disposition } from '../amqp/acknowledger.ts'
import type { Broker } from '../amqp/connection.ts'
import { createConsumer } from '../amqp/consumer.ts'
import { PublishError } from '../amqp/errors.ts'
import type { Delivery, OutgoingMessage } from '../amqp/message.ts'
import { publishPatiently } from '../amqp/publish-patiently.ts'
import type { Publisher } from '../amqp/publisher.ts'
import type { QueueLength } from '../amqp/queue-length.ts'
import { DEAD_LETTER_QUEUE } from '../amqp/topology.ts'
import { letterId } from '../contracts/letter-id.ts'
import type { Database } from '../database/database.ts'
import { createBatcher } from '../runtime/batcher.ts'
import { createPace } from '../runtime/pace.ts'
import { createLetterPass } from './letter-pass.ts'
import { movedLetter, replayedLetter } from './letters.ts'
import { markReplayed } from './mark-replayed.sql.ts'
import { type Carry, RunFailedError } from './run.ts'

/** Letters in hand: of those that were sent, a run that is killed leaves copies behind. */
const MAX_IN_HAND = 500
/** Of them, as many as leave within so long: longer than confirm, mark and acknowledgement take on busy servers. */
const IN_HAND_SECONDS = 1
/** How often an idle queue is asked whether it is empty. */
const LOOK_MS = 250
/** Marks of so many letters, or of so long in milliseconds, are one statement. */
const MARKED = { atOnce: MAX_IN_HAND, gatherMs: 100 }

export interface LetterReplayOptions {
  database: Database
  broker: Pick<Broker, 'join'>
  publisher: Pick<Publisher, 'publish'>
  queueLength: QueueLength
  logger: Logger
}

/**
 * Replays dead letters of one code: in one pass over as many letters as the queue holds when the pass begins, each of that
 * code is published to the request queue, every other one to the tail of its own, confirmed, and only then acknowledged.
 * So a letter is at any time in one of the queues, at most in both: whoever goes on after a death publishes some again,
 * which are duplicates to intake. Nothing is given back to the broker, which counts that, and may drop a letter that
 * comes back too often.
 *
 * A run that goes on after an interruption passes over the whole queue again, but leaves what was rejected since it began:
 * letters that it has replayed in vain.
 */
export function createLetterReplay(options: LetterReplayOptions): Carry<'dead_letters'> {
  const { broker, publisher, queueLength, logger } = options

  return async ({ params, startedAt }, progress, signal) => {
    const length = await queueLength.ask()
    if (length === null) throw new Error('the broker does not answer')
    const resumed = progress.total !== null
    progress.total ??= length
    let taken = Number(progress.cursor ?? 0)
    if (length === 0 || taken >= params.max) return

    /** Aborts when no further letter is to be looked at; `failed`, when those in hand cannot go on either. */
    const over = new AbortController()
    const failed = new AbortController()
    const ending = AbortSignal.any([over.signal, failed.signal, signal])
    const pace = createPace(params.perSecond, AbortSignal.any([failed.signal, signal]))
    const max = params.max - taken
    const pass = createLetterPass({ length, max, code: params.code, resumedRun: resumed ? startedAt : null })
    const marks = createMarks(options, startedAt)
    let arrivedAt = performance.now()

    const publish = (message: OutgoingMessage) =>
      publishPatiently(publisher, message, { signal: failed.signal }).catch((error: unknown) => {
        throw failureOf(error)
      })

    const replay = async (delivery: Delivery): Promise<boolean> => {
      try {
        await pace()
      } catch {
        return false
      }
      await publish(replayedLetter(delivery))
      const kind = pass.replayed(delivery, await marks.add(letterId(delivery)))
      if (kind === 'new') taken += 1
      if (kind !== 'copy') progress.done += 1
      progress.cursor = String(taken)
      return true
    }

    const handle = async (delivery: Delivery): Promise<Disposition> => {
      arrivedAt = performance.now()
      const wanted = ending.aborted ? false : pass.wants(delivery)
      if (pass.isOver()) over.abort()
      try {
        if (wanted && (await replay(delivery))) return 'ack'
        await publish(movedLetter(delivery))
        progress.passedOver += 1
        return 'ack'
      } catch (error) {
        failed.abort(error)
        return 'requeue'
      }
    }

    const prefetch = Math.min(MAX_IN_HAND, max, Math.ceil(params.perSecond * IN_HAND_SECONDS))
    const consumer = createConsumer({ broker, queue: DEAD_LETTER_QUEUE, prefetch, handle, logger })
    await consumer.start()
    while (!ending.aborted) {
      await sleep(LOOK_MS, undefined, { signal: ending }).catch(() => undefined)
      const rests = consumer.inHand() === 0 && performance.now() - arrivedAt > LOOK_MS
      if (rests && (await queueLength.ask()) === 0) over.abort()
    }
    await consumer.stop()
    failed.signal.throwIfAborted()
  }
}

/** What a letter that was not confirmed does to the run: ends it as failed, or is thrown to try again later. */
function failureOf(error: unknown): unknown {
  if (!(error instanceof PublishError)) return error
  if (error.kind === 'returned' || error.kind === 'unencodable')
    return new RunFailedError(`a letter could not be published: ${error.message}`, { cause: error })
  if (error.kind === 'nacked')
    return new RunFailedError('the broker takes no letter: is the queue full?', { cause: error })
  return error
}

/** Marks letters in the index, many at once. The index only tells: a letter does not wait for one that cannot be written. */
function createMarks({ database, logger }: LetterReplayOptions, since: Date) {
  return createBatcher<string, boolean | undefined>({
    maxSize: MARKED.atOnce,
    concurrency: 1,
    gatherMs: MARKED.gatherMs,
    flush: async (ids) => {
      const marked = await markReplayed(database, ids, since).catch((error: unknown) => {
        logger.warn({ err: error, letters: ids.length }, 'letters not marked as replayed')
        return new Map<string, boolean>()
      })
      return ids.map((id) => marked.get(id))
    },
  })
}
