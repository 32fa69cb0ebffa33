import { type ConfirmChannel, IllegalOperationError, type Message, type Options } from 'amqplib'
import { coerceError } from '../runtime/errors.ts'
import { createFifo } from '../runtime/fifo.ts'
import { contentHeaderBytes } from './encoded-size.ts'
import { DeadlineError, PublishError, type PublishFailure } from './errors.ts'
import type { OutgoingMessage } from './message.ts'

export interface LaneLimits {
  maxInFlight: number
  maxInFlightBytes: number
  confirmTimeoutMs: number
  /** The largest frame the broker takes, in bytes. */
  frameMax: number
  /** How long the broker may answer with nothing but nacks. */
  nacksTimeoutMs: number
}

/** Told once what became of a message: null when the broker has confirmed it. */
export type Settle = (error: PublishError | null) => void

/** What is published on one confirm channel, from its opening to its end. */
export interface PublishLane {
  send(message: OutgoingMessage, done: Settle): void
  inFlight(): number
  /** Resolves when nothing is in flight. */
  idle(): Promise<void>
  /** The broker has stopped reading: what was sent waits, what was not fails. */
  blocked(reason: string): void
  unblocked(): void
  /** Sends nothing more; unconfirmed messages keep waiting. */
  retire(reason: string): void
  /** Settles everything; nothing more is sent. */
  end(cause: unknown): void
}

interface Entry {
  message: OutgoingMessage
  body: Buffer
  sentAt: number
  /** The broker's words when it gave the message back. */
  returned: string | null
  done: Settle
}

export function createPublishLane({
  channel,
  limits: { maxInFlight, maxInFlightBytes, confirmTimeoutMs, frameMax, nacksTimeoutMs },
  onConfirm,
  onNacks,
  onSilence,
}: {
  channel: ConfirmChannel
  limits: LaneLimits
  onConfirm: () => void
  /** Nothing but nacks came for too long. Called once. */
  onNacks: () => void
  /** The oldest message went unconfirmed for too long, the time in which the broker blocked not counted. */
  onSilence: (error: Error) => void
}): PublishLane {
  // In order of sending, so the first is the oldest.
  const unconfirmed = new Set<Entry>()
  const waiting = createFifo<Entry>()
  let unconfirmedBytes = 0
  let blockedReason: string | null = null
  let unblockedAt = 0
  let channelError: Error | undefined
  let ended = false
  let watch: NodeJS.Timeout | undefined
  let idlers: (() => void)[] = []
  /** Of the first nack since the last confirm; null once it has been reported. */
  let nackedAt: number | null | undefined

  const inFlight = () => unconfirmed.size + waiting.size()

  const fits = (size: number) =>
    unconfirmed.size === 0 || (unconfirmed.size < maxInFlight && unconfirmedBytes + size <= maxInFlightBytes)

  const send = (entry: Entry) => {
    const { message, body } = entry
    // Without headers it always fits: every other property is bounded, and amqplib refuses what exceeds its bound.
    if (message.properties.headers !== undefined && contentHeaderBytes(message.properties) > frameMax) {
      entry.done(failure('unencodable', 'its properties do not fit into one frame'))
      return
    }
    try {
      channel.publish(message.exchange, message.routingKey, body, wireOptions(message), (error) =>
        confirm(entry, error),
      )
    } catch (error) {
      // Both kinds are thrown before a byte is written.
      const kind = error instanceof IllegalOperationError ? 'unavailable' : 'unencodable'
      entry.done(failure(kind, coerceError(error).message, error))
      return
    }
    entry.sentAt = performance.now()
    unconfirmed.add(entry)
    unconfirmedBytes += body.length
    watch ??= setTimeout(checkOldest, confirmTimeoutMs)
  }

  const confirm = (entry: Entry, error: unknown) => {
    if (!unconfirmed.delete(entry)) return
    unconfirmedBytes -= entry.body.length
    if (error === null || error === undefined) {
      if (nackedAt !== null) nackedAt = undefined
      onConfirm()
      // The return of an unroutable message comes before its confirm, which is positive all the same.
      if (entry.returned === null) entry.done(null)
      else entry.done(failure('returned', entry.returned))
    } else if (coerceError(error).message === 'message nacked') {
      // The only sign amqplib gives of a nack; any other wording counts as unknown, which is always safe.
      entry.done(failure('nacked', 'the broker refused the message', error))
      countNack()
    } else {
      ended = true
      const cause = channelError ?? error
      entry.done(
        failure('unknown', `the channel ended before the confirm: ${coerceError(cause).message}`, cause),
      )
    }
    proceed()
  }

  const countNack = () => {
    if (nackedAt === null) return
    nackedAt ??= performance.now()
    if (performance.now() - nackedAt < nacksTimeoutMs) return
    nackedAt = null
    onNacks()
  }

  const proceed = () => {
    for (
      let next = waiting.peek();
      next !== undefined && !ended && fits(next.body.length);
      next = waiting.peek()
    ) {
      waiting.shift()
      send(next)
    }
    if (unconfirmed.size > 0) return
    clearTimeout(watch)
    watch = undefined
    if (waiting.size() > 0) return
    for (const idler of idlers) idler()
    idlers = []
  }

  const refuseWaiting = (reason: string) => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      next.done(failure('unavailable', reason))
    }
  }

  const checkOldest = () => {
    watch = undefined
    const [oldest] = unconfirmed
    if (oldest === undefined) return
    const since = blockedReason === null ? Math.max(oldest.sentAt, unblockedAt) : performance.now()
    const left = since + confirmTimeoutMs - performance.now()
    if (left > 0) watch = setTimeout(checkOldest, left)
    else onSilence(new DeadlineError(`no publisher confirm within ${confirmTimeoutMs} ms`))
  }

  /**
   * A returned message carries no delivery tag. It is recognised by its whole content; of equal ones the oldest is
   * meant, and mixing up two equal ones changes nothing.
   */
  const onReturn = ({ fields, properties, content }: Message) => {
    for (const entry of unconfirmed) {
      const { message, body } = entry
      if (entry.returned !== null || message.mandatory !== true) continue
      if (message.properties.messageId !== properties.messageId) continue
      if (message.routingKey !== fields.routingKey || message.exchange !== fields.exchange) continue
      if (!body.equals(content)) continue
      entry.returned = (fields as { replyText?: string }).replyText ?? 'returned'
      return
    }
  }

  channel.on('error', (error: Error) => {
    channelError = error
  })
  channel.on('return', onReturn)

  return {
    send: (message, done) => {
      if (ended) return done(failure('unavailable', 'the channel to the broker has ended'))
      if (blockedReason !== null)
        return done(failure('unavailable', `the broker blocks publishers: ${blockedReason}`))
      const body = typeof message.body === 'string' ? Buffer.from(message.body) : message.body
      const entry: Entry = { message, body, sentAt: 0, returned: null, done }
      if (waiting.size() === 0 && fits(body.length)) send(entry)
      else waiting.push(entry)
    },
    inFlight,
    idle: () =>
      new Promise((resolve) => {
        if (inFlight() === 0) resolve()
        else idlers.push(resolve)
      }),
    blocked: (reason) => {
      blockedReason = reason
      refuseWaiting(`the broker blocks publishers: ${reason}`)
    },
    unblocked: () => {
      blockedReason = null
      unblockedAt = performance.now()
    },
    retire: (reason) => {
      ended = true
      refuseWaiting(reason)
    },
    end: (cause) => {
      ended = true
      refuseWaiting('the channel to the broker has ended')
      for (const entry of [...unconfirmed]) confirm(entry, cause)
      proceed()
    },
  }
}

function wireOptions({ properties, mandatory }: OutgoingMessage): Options.Publish {
  // amqplib's types know no undefined properties; at run time it skips them.
  const sent: Record<string, unknown> = { ...properties, mandatory: mandatory === true }
  sent.deliveryMode ??= 2
  sent.userId = undefined
  return sent as Options.Publish
}

export function failure(kind: PublishFailure, message: string, cause?: unknown): PublishError {
  return new PublishError(kind, `not published (${kind}): ${message}`, cause)
}
