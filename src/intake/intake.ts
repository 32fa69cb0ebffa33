import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Disposition } from '../amqp/acknowledger.ts'
import type { Delivery, OutgoingMessage } from '../amqp/message.ts'
import type { Fault } from '../contracts/fault.ts'
import type { MessageRejection, RejectionCode } from '../contracts/rejection.ts'
import { parseRequestMessage, rejectCommand, rejectUnread } from '../contracts/request-message.ts'
import { sqlState } from '../database/errors.ts'
import { createBatcher } from '../runtime/batcher.ts'
import type { Quiet } from '../runtime/quiet.ts'
import { reached } from '../runtime/steps.ts'
import { createTurns } from '../runtime/turns.ts'
import type { PasswordDigester } from '../secrets/digest.ts'
import type { Sealer } from '../secrets/seal.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { toNewRequest } from './new-request.ts'
import { createOneByOne } from './one-by-one.ts'
import { createRejecter } from './rejecter.ts'
import type { RequestStore } from './request-store.ts'
import { createRequestWriter, type Entry, type EntryOutcome } from './request-writer.ts'
import { createWriteRetry } from './write-retry.ts'

/** Deliveries that came back this often are taken one by one: one of them may be what brings the process down. */
const SUSPECT_DELIVERIES = 2
const INSERTS_IN_FLIGHT = 2
/** Before a delivery that met a fault of this program goes back to the queue, lest it go round in a circle. */
const FAULT_PAUSE_MS = 1000
/** Reading and sealing one message takes about 0.1 ms, and a thousand may come at once. */
const TURN_SHARE_MS = 4

export interface IntakeOptions {
  store: RequestStore
  publisher: { publish(message: OutgoingMessage): Promise<void> }
  sealer: Sealer
  passwordDigester: PasswordDigester
  logger: Logger
  metrics: Metrics['intake']
  now?: () => Date
  /** Most messages of one insert. */
  batchSize?: number
  /** A message that was delivered without success this often is dead-lettered. */
  deliveryLimit?: number
  /** Called for each delivery; what it returns is called when the delivery has its disposition. */
  onReceived?: () => () => void
  /** Most milliseconds that reading messages takes of one turn of the event loop. */
  turnShareMs?: number
  quiet?: Quiet
  /** Called after requests were stored: there is work to dispatch, and there are events to relay. */
  onStored?: (requests: number) => void
  /** Called after events without a request were stored. */
  onEvents?: () => void
  /** The database is away: take no more deliveries. */
  pauseConsuming?: () => Promise<void> | void
  /** It is back. */
  resumeConsuming?: () => void
}

export interface Intake {
  /**
   * Decides on one delivery. Resolves with `ack` only when the request is committed, was committed before, or is
   * confirmed in the dead-letter queue; stays pending for as long as the database or the broker is away. Never rejects.
   */
  handle(delivery: Delivery): Promise<Disposition>
  /** Deliveries without a disposition. */
  inHand(): number
  /** Whether they wait for the database to come back. */
  waitsForDatabase(): boolean
  /**
   * Gives new deliveries back, ends retries, and resolves when every delivery in hand has its disposition. Cancel the
   * consumer at the same time, and before awaiting either: its own stop waits for these dispositions.
   */
  stop(): Promise<void>
}

/**
 * From deliveries to dispositions: parse, seal, store in batches, dead-letter what cannot be stored. A batch goes as soon
 * as an insert is free, so one message alone waits for nobody.
 */
export function createIntake(options: IntakeOptions): Intake {
  const { store, publisher, sealer, passwordDigester, logger, metrics, now = () => new Date() } = options
  const { batchSize = 200, deliveryLimit = 20, turnShareMs = TURN_SHARE_MS } = options
  const { onStored = () => undefined, onEvents = () => undefined } = options
  const stopping = new AbortController()
  setMaxListeners(0, stopping.signal)
  const inHand = new Set<Promise<Disposition>>()
  let databaseAway = false

  const pause = async () => options.pauseConsuming?.()
  const retry = createWriteRetry({
    logger,
    signal: stopping.signal,
    onAway: () => {
      databaseAway = true
      metrics.paused.set(1)
      pause().catch((error: unknown) => logger.error({ err: error }, 'consuming could not be paused'))
    },
    onBack: () => {
      databaseAway = false
      metrics.paused.set(0)
      options.resumeConsuming?.()
    },
  })
  const rejecter = createRejecter({
    store,
    publisher,
    retry,
    logger,
    metrics,
    now,
    signal: stopping.signal,
    onEvents,
  })
  const writer = createRequestWriter({ store, retry, passwordDigester, metrics, onStored })
  const batcher = createBatcher<Entry, EntryOutcome>({
    maxSize: batchSize,
    concurrency: INSERTS_IN_FLIGHT,
    flush: writer.write,
  })
  const suspects = createOneByOne()
  const turns = createTurns({ shareMs: turnShareMs, quiet: options.quiet })

  const acknowledge = (result: string): Disposition => {
    metrics.messages.inc({ result })
    reached('intake.acknowledging')
    return 'ack'
  }
  const requeue = (): Disposition => {
    metrics.messages.inc({ result: 'requeued' })
    return 'requeue'
  }
  const reject = async (delivery: Delivery, rejection: MessageRejection): Promise<Disposition> =>
    (await rejecter.reject(delivery, rejection)) ? acknowledge('dead_lettered') : requeue()

  const take = async (delivery: Delivery, write: (entry: Entry) => Promise<EntryOutcome | undefined>) => {
    const parsed = parseRequestMessage(delivery)
    if (!parsed.ok) return reject(delivery, parsed)
    const { command, tracing } = parsed
    const refuse = (code: RejectionCode, fault: Fault) =>
      reject(delivery, rejectCommand(command, tracing, code, fault))
    const outcome = await write({
      command,
      row: toNewRequest(command, tracing, { sealer, passwordDigester }),
    })
    switch (outcome?.kind) {
      case 'stored':
      case 'duplicate':
        return acknowledge(outcome.kind)
      case 'conflict':
        return refuse('idempotency_conflict', conflictFault(outcome.differs))
      case 'refused':
        logger.error(
          { sqlState: sqlState(outcome.error), ...idsOf(command) },
          'the database refuses a valid request',
        )
        return refuse('invalid_request', refusalFault(outcome.error))
      default:
        return requeue()
    }
  }

  const decide = (delivery: Delivery): Promise<Disposition> => {
    reached('intake.received')
    if (delivery.deliveryCount >= deliveryLimit) {
      const message = `delivered ${delivery.deliveryCount} times before, without success`
      return reject(delivery, rejectUnread(delivery, 'delivery_limit', { path: '', message }))
    }
    if (delivery.deliveryCount < SUSPECT_DELIVERIES) return take(delivery, batcher.add)
    return suspects.run(() => take(delivery, async (entry) => (await writer.write([entry]))[0]))
  }

  const decideSafely = async (delivery: Delivery): Promise<Disposition> => {
    if (stopping.signal.aborted) return requeue()
    try {
      return await decide(delivery)
    } catch (error) {
      logger.error({ err: error }, 'fault while taking in a message')
      await sleep(FAULT_PAUSE_MS, undefined, { signal: stopping.signal }).catch(() => undefined)
      return requeue()
    }
  }

  return {
    handle: (delivery) => {
      const settled = options.onReceived?.()
      const decided = new Promise<Disposition>((resolve) => {
        turns.run(() => resolve(decideSafely(delivery)))
      })
      const disposition = decided.finally(() => {
        settled?.()
        inHand.delete(disposition)
        metrics.unsettled.set(inHand.size)
      })
      inHand.add(disposition)
      metrics.unsettled.set(inHand.size)
      return disposition
    },
    inHand: () => inHand.size,
    waitsForDatabase: () => databaseAway,
    stop: async () => {
      stopping.abort()
      while (inHand.size > 0) await Promise.all(inHand)
    },
  }
}

function conflictFault(differs: 'content' | 'password'): Fault {
  const message = `a request with this id and another ${differs} was accepted before`
  return { path: differs === 'password' ? 'spec.password' : '', message }
}

function refusalFault(error: unknown): Fault {
  return { path: '', message: `the database cannot store it (${sqlState(error) ?? 'no code'})` }
}

function idsOf({ projectId, requestId }: { projectId: string; requestId: string }) {
  return { projectId, requestId }
}
