import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Disposition } from '../amqp/acknowledger.ts'
import type { Delivery, OutgoingMessage } from '../amqp/message.ts'
import { createBatcher } from '../runtime/batcher.ts'
import type { Quiet } from '../runtime/quiet.ts'
import { createTurns } from '../runtime/turns.ts'
import type { PasswordDigester, PasswordTracer } from '../secrets/digest.ts'
import type { JweBox } from '../secrets/jwe-box.ts'
import type { Sealer } from '../secrets/seal.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { type AdmissionRules, createAdmission, OPEN_TO_ALL } from './admission.ts'
import { createOneByOne } from './one-by-one.ts'
import { createRejecter } from './rejecter.ts'
import type { RequestStore } from './request-store.ts'
import { createRequestWriter } from './request-writer.ts'
import { type Carried, type Received, sealLetter } from './sealed-letter.ts'
import { requeue, type TakeContext, takeDelivery } from './take-delivery.ts'
import { createWriteRetry } from './write-retry.ts'

const INSERTS_IN_FLIGHT = 2
/** Delay before a delivery that met a fault of this program goes back to the queue, lest it loop. */
const FAULT_PAUSE_MS = 1000
/** Reading and sealing one message takes about 0.1 ms, and a thousand may come at once. */
const TURN_SHARE_MS = 4

export interface IntakeOptions {
  store: RequestStore
  publisher: { publish(message: OutgoingMessage): Promise<void> }
  sealer: Sealer
  jweBox: JweBox
  /** Default: any. */
  passwords?: 'any' | 'sealed_only'
  /** Whether dead letters keep every byte, plain passwords included. Default false. */
  exactDeadLetters?: boolean
  passwordDigester: PasswordDigester
  passwordTracer: PasswordTracer
  /** Whether orders of selected servers are held back until these have been looked at. Default false. */
  preflight?: boolean
  logger: Logger
  metrics: Metrics['intake']
  now?: () => Date
  /** Who may order, and how much. Default: everybody, any number. */
  admission?: AdmissionRules
  /** Most messages of one insert. */
  batchSize?: number
  /** A message that was delivered without success this often is dead-lettered. */
  deliveryLimit: number
  /** Called for each delivery; the function it returns is called when the delivery has its disposition. */
  onReceived?: () => () => void
  /** Most milliseconds that reading messages takes of one turn of the event loop. */
  turnShareMs?: number
  quiet?: Quiet
  /** Called after requests were stored: there is work to dispatch, and there are events to relay. */
  onStored?: (requests: number) => void
  /** Called after events without a request were stored. */
  onEvents?: () => void
  /** The database is unreachable: take no more deliveries. */
  pauseConsuming?: () => Promise<void> | void
  /** It is back. */
  resumeConsuming?: () => void
}

export interface Intake {
  /**
   * Decides on one delivery. Resolves with `ack` only when the request is committed, was committed before, or is
   * confirmed in the dead-letter queue; stays pending while the database or the broker is unreachable. Never rejects.
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
 * From deliveries to dispositions: parse, seal, store in batches, dead-letter what cannot be stored. A batch goes as
 * soon as an insert is free, so a single message does not wait.
 */
export function createIntake(options: IntakeOptions): Intake {
  const { publisher, logger, metrics } = options
  const { batchSize = 200, deliveryLimit, turnShareMs = TURN_SHARE_MS, now = () => new Date() } = options
  const { onStored = () => undefined, onEvents = () => undefined } = options
  const stopping = new AbortController()
  const { signal } = stopping
  setMaxListeners(0, signal)
  const inHand = new Set<Promise<Disposition>>()
  let databaseUnreachable = false

  const pause = async () => options.pauseConsuming?.()
  const retry = createWriteRetry({
    logger,
    signal,
    onUnreachable: () => {
      databaseUnreachable = true
      metrics.paused.set(1)
      pause().catch((error: unknown) => logger.error({ err: error }, 'consuming could not be paused'))
    },
    onBack: () => {
      databaseUnreachable = false
      metrics.paused.set(0)
      options.resumeConsuming?.()
    },
  })
  const { store, sealer, jweBox, passwords = 'any', passwordDigester, passwordTracer } = options
  const writer = createRequestWriter({ store, retry, sealer, passwordDigester, metrics, onStored })
  const admission = createAdmission({ rules: options.admission ?? OPEN_TO_ALL, store, retry, writer })
  const carry = async (received: Received): Promise<Carried> =>
    options.exactDeadLetters ? { delivery: received.delivery, altered: [] } : sealLetter(jweBox, received)
  const context: TakeContext = {
    deliveryLimit,
    sealer,
    jweBox,
    passwords,
    passwordDigester,
    passwordTracer,
    preflight: options.preflight,
    writer,
    admission,
    batchers: {
      free: createBatcher({ maxSize: batchSize, concurrency: INSERTS_IN_FLIGHT, flush: writer.write }),
      looked: createBatcher({ maxSize: batchSize, concurrency: 1, flush: admission.write }),
    },
    suspects: createOneByOne(),
    rejecter: createRejecter({ carry, store, publisher, retry, logger, metrics, now, signal, onEvents }),
    metrics,
    logger,
  }
  const turns = createTurns({ shareMs: turnShareMs, quiet: options.quiet })

  return {
    handle: (delivery) => {
      const settled = options.onReceived?.()
      const taken = new Promise<Disposition>((resolve) => {
        turns.run(() => resolve(takeSafely(context, delivery, signal)))
      })
      const disposition = taken.finally(() => {
        settled?.()
        inHand.delete(disposition)
        metrics.unsettled.set(inHand.size)
      })
      inHand.add(disposition)
      metrics.unsettled.set(inHand.size)
      return disposition
    },
    inHand: () => inHand.size,
    waitsForDatabase: () => databaseUnreachable,
    stop: async () => {
      stopping.abort()
      while (inHand.size > 0) await Promise.all(inHand)
    },
  }
}

/** Gives the delivery back when the intake stops, and, after a pause, when this program has a fault. Never rejects. */
async function takeSafely(
  context: TakeContext,
  delivery: Delivery,
  signal: AbortSignal,
): Promise<Disposition> {
  if (signal.aborted) return requeue(context)
  try {
    return await takeDelivery(context, delivery)
  } catch (error) {
    context.logger.error({ err: error }, 'fault while taking in a message')
    await sleep(FAULT_PAUSE_MS, undefined, { signal }).catch(() => undefined)
    return requeue(context)
  }
}
