import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Channel, ConsumeMessage } from 'amqplib'
import type { Logger } from 'pino'
import { coerceError } from '../runtime/errors.ts'
import type { Service } from '../runtime/service.ts'
import { type Acknowledger, createAcknowledger, type Disposition } from './acknowledger.ts'
import type { Broker } from './connection.ts'
import { type Delivery, toDelivery } from './message.ts'
import type { Session } from './session.ts'
import { createSparseLog } from './sparse-log.ts'

/**
 * Takes deliveries from one queue and settles each by its handler's disposition, on the channel that brought it.
 *
 * When the session is lost, deliveries in hand stay with their handlers, but their dispositions are dropped: the
 * broker delivers the messages again, so a handler may see one a second time while it still has the first.
 *
 * `stop` cancels, waits for every handler (however long it takes), sends the last dispositions and closes the channel.
 */
export interface Consumer extends Service {
  /** Resolves when no more deliveries will come; those in hand stay with their handlers. Survives a reconnect. */
  pause(): Promise<void>
  resume(): void
  /** Deliveries whose handlers have not finished. At most twice the prefetch. */
  inHand(): number
}

export interface ConsumerOptions {
  broker: Pick<Broker, 'join'>
  queue: string
  /** Unsettled deliveries the broker sends to this consumer. Quorum queues allow up to 2,000. */
  prefetch: number
  /** Bytes of bodies in hand from which on reading from the broker pauses. Default 64 MiB. */
  maxBytes?: number
  /**
   * Called in order of delivery without waiting for the one before. A rejection requeues the message, after a second,
   * and is logged; a handler that expects failures returns a disposition instead.
   */
  handle: (delivery: Delivery) => Promise<Disposition>
  logger: Logger
}

/** How long a message whose handler threw is held back, lest it return at once. */
const THROWN_HOLD_MS = 1000

/** About a hundred times the size of a thousand requests. */
const MAX_BYTES = 64 * 1024 * 1024

/** One channel and what is consumed on it. */
interface Line {
  session: Session
  channel: Channel
  acknowledger: Acknowledger<ConsumeMessage>
  consumerTag: string | null
  closing: boolean
}

export function createConsumer(options: ConsumerOptions): Consumer {
  const { broker, queue, prefetch, maxBytes = MAX_BYTES, handle, logger } = options
  const name = `consumer of ${queue}`
  const stopping = new AbortController()
  setMaxListeners(0, stopping.signal)
  const logThrown = createSparseLog({
    logger,
    message: `${name}: the handler threw; the message goes back to the queue`,
  })
  let leave: (() => void) | undefined
  let line: Line | undefined
  let attaching: Promise<void> | undefined
  let paused = false
  let inHand = 0
  let bytesInHand = 0
  let drained: (() => void) | undefined
  let converging: Promise<void> | undefined
  let changed = false
  let stopped: Promise<void> | undefined

  const wanted = () => !paused && !stopping.signal.aborted

  /** A consumer about to cancel must see the answer, so everything the broker has sent is read. */
  const boundBytes = () => {
    const reading = line?.session.reading
    if (wanted() && bytesInHand > maxBytes) reading?.hold()
    else if (!wanted() || bytesInHand <= maxBytes / 2) reading?.release()
  }

  /** Starts or ends consuming to match what is wanted. Returns whether it did. */
  const step = async (): Promise<boolean> => {
    boundBytes()
    const present = line
    if (present === undefined) return false
    const { session, channel, consumerTag } = present
    try {
      if (wanted() && consumerTag === null) {
        // A new subscription has a fresh prefetch; without this, each pause or reconnect could add another one.
        if (inHand > prefetch) return false
        const ok = await session.within(`consume ${queue}`, () =>
          channel.consume(queue, (m) => receive(present, m)),
        )
        present.consumerTag = ok.consumerTag
        return true
      }
      if (!wanted() && consumerTag !== null) {
        await session.within(`cancel the ${name}`, () => channel.cancel(consumerTag))
        present.consumerTag = null
        return true
      }
    } catch (error) {
      session.fail(coerceError(error))
    }
    return false
  }

  const runSteps = async () => {
    do changed = false
    while ((await step()) || changed)
    converging = undefined
  }

  const converge = (): Promise<void> => {
    changed = true
    converging ??= runSteps()
    return converging
  }

  /** Runs inside amqplib's frame loop, so it must not throw. */
  const receive = (on: Line, message: ConsumeMessage | null) => {
    if (message === null) {
      on.session.fail(new Error(`the broker cancelled the ${name}; its queue may have been deleted`))
      return
    }
    inHand += 1
    bytesInHand += message.content.length
    boundBytes()
    on.acknowledger.delivered(message)
    let disposition: Promise<Disposition>
    try {
      disposition = handle(toDelivery(message))
    } catch (error) {
      disposition = Promise.reject(error)
    }
    disposition.then(
      (given) => finish(on, message, given),
      async (error: unknown) => {
        logThrown(error)
        await sleep(THROWN_HOLD_MS, undefined, { signal: stopping.signal }).catch(() => undefined)
        finish(on, message, 'requeue')
      },
    )
  }

  const finish = (on: Line, message: ConsumeMessage, disposition: Disposition) => {
    on.acknowledger.settle(message, disposition)
    inHand -= 1
    bytesInHand -= message.content.length
    boundBytes()
    if (inHand === 0) drained?.()
    if (inHand === prefetch && line?.consumerTag === null && wanted()) void converge()
  }

  const attach = async (session: Session) => {
    const channel = await session.within('open a channel', () => session.consuming.createChannel())
    const acknowledger = createAcknowledger<ConsumeMessage>({
      channel,
      onError: (error) => session.fail(coerceError(error)),
    })
    const opened: Line = { session, channel, acknowledger, consumerTag: null, closing: false }
    let cause: Error | undefined
    channel.on('error', (error: Error) => {
      cause = error
    })
    channel.on('close', () => {
      if (!opened.closing) session.fail(cause ?? new Error(`the channel of the ${name} was closed`))
    })
    session.signal.addEventListener('abort', () => {
      acknowledger.discard()
      if (line === opened) line = undefined
    })
    await session.within('set the prefetch', () => channel.prefetch(prefetch, false))
    line = opened
    await converge()
  }

  const stop = async () => {
    stopping.abort()
    leave?.()
    await attaching?.catch(() => undefined)
    await converge()
    if (inHand > 0) {
      await new Promise<void>((resolve) => {
        drained = resolve
      })
    }
    if (line === undefined) return
    const { session, channel, acknowledger } = line
    line.closing = true
    line = undefined
    acknowledger.flush()
    // Close goes the way of the acks before it, so its answer says that they have arrived.
    await session.within('close a channel', () => channel.close()).catch(() => undefined)
  }

  return {
    name,
    start: async () => {
      if (stopping.signal.aborted) return
      leave ??= broker.join({
        attach: (session) => {
          attaching = attach(session)
          return attaching
        },
      })
    },
    stop: () => {
      stopped ??= stop()
      return stopped
    },
    pause: () => {
      paused = true
      return converge()
    },
    resume: () => {
      paused = false
      void converge()
    },
    inHand: () => inHand,
  }
}
