import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { jitteredBackoff } from '../runtime/backoff.ts'
import { coerceError } from '../runtime/errors.ts'
import type { Service } from '../runtime/service.ts'
import type { Broker } from './connection.ts'
import type { OutgoingMessage } from './message.ts'
import { createPublishLane, failure, type PublishLane, type Settle } from './publish-lane.ts'
import type { Session } from './session.ts'
import { createSparseLog } from './sparse-log.ts'

/**
 * Publishes with confirms on a channel of its own, so that a channel error, e.g. a missing exchange, ends no other
 * publisher's messages; that channel alone is then opened again, after the topology. The same is done with a channel
 * on which the broker answers with nothing but nacks: a channel that first published while a quorum queue had no
 * leader gets nothing but nacks for as long as the leader's node stays dead (RabbitMQ 3.10), and another channel
 * helps.
 *
 * Nothing is kept for later: without a session `publish` fails at once. `stop` lets publishes in progress finish.
 */
export interface Publisher extends Service {
  /**
   * Resolves when the broker has confirmed the message, so that it is stored. Rejects with a PublishError. Waits
   * while the window is full; messages leave in the order of the calls.
   */
  publish(message: OutgoingMessage): Promise<void>
  /** The same for those who send many: `settle` is called once, with null or the error, at once or later. */
  send(message: OutgoingMessage, settle: Settle): void
  /** Messages that are unconfirmed or wait for the window. */
  inFlight(): number
}

export interface PublisherOptions {
  broker: Pick<Broker, 'join'>
  logger: Logger
  /** For logs. Default `publisher`. */
  name?: string
  /** The window: unconfirmed messages. Default 1,000. */
  maxInFlight?: number
  /** The window: bytes of unconfirmed bodies; a larger message goes alone. Default 16 MiB. */
  maxInFlightBytes?: number
  /**
   * A message unconfirmed for so long ends the session. Time does not count while the broker blocks. Default 30,000.
   */
  confirmTimeoutMs?: number
  /** Nothing but nacks for so long end the channel. Default 1,000. */
  nacksTimeoutMs?: number
}

const REOPEN_BACKOFF_MS = { minMs: 50, maxMs: 5000 }

export function createPublisher({
  broker,
  logger,
  name = 'publisher',
  maxInFlight = 1000,
  maxInFlightBytes = 16 * 1024 * 1024,
  confirmTimeoutMs = 30_000,
  nacksTimeoutMs = 1000,
}: PublisherOptions): Publisher {
  const logLoss = createSparseLog({
    logger,
    message: `${name}: the channel is of no more use, opening another`,
  })
  let lane: PublishLane | undefined
  let closeChannel: (() => Promise<void>) | undefined
  let leave: (() => void) | undefined
  let lossesInARow = 0
  let stopping = false
  let stopped: Promise<void> | undefined

  const open = async (session: Session) => {
    const channel = await session.within('open a channel', () => session.publishing.createConfirmChannel())
    let cause: Error | undefined
    channel.on('error', (error: Error) => {
      cause = error
    })
    let refused = false
    const close = () => session.within('close a channel', () => channel.close())
    const renew = async () => {
      refused = true
      cause = new Error(`nothing but nacks for ${nacksTimeoutMs} ms`)
      opened.retire(cause.message)
      await opened.idle()
      await close()
    }
    const opened = createPublishLane({
      channel,
      limits: {
        maxInFlight,
        maxInFlightBytes,
        confirmTimeoutMs,
        nacksTimeoutMs,
        frameMax: session.frameMax,
      },
      // A channel or session that has ended by itself is opened again for that.
      onNacks: () => {
        renew().catch(() => undefined)
      },
      onConfirm: () => {
        lossesInARow = 0
      },
      onSilence: (error) => session.fail(error),
    })
    const end = () => {
      if (lane === opened) lane = undefined
      session.signal.removeEventListener('abort', end)
      opened.end(cause ?? session.signal.reason ?? new Error('the channel was closed'))
    }
    session.signal.throwIfAborted()
    session.signal.addEventListener('abort', end)
    channel.on('close', () => {
      end()
      if (!stopping) void reopen(session, cause, { declare: !refused })
    })
    closeChannel = close
    lane = opened
  }

  /** After the end of a channel. The session and its other channels go on. */
  const reopen = async (session: Session, cause: Error | undefined, { declare }: { declare: boolean }) => {
    lossesInARow += 1
    const delay = jitteredBackoff(lossesInARow, REOPEN_BACKOFF_MS)
    await sleep(delay, undefined, { signal: session.signal }).catch(() => undefined)
    if (session.signal.aborted || stopping) return
    logLoss(cause)
    try {
      if (declare) await session.declare()
      await open(session)
    } catch (error) {
      session.fail(coerceError(error))
    }
  }

  const attach = async (session: Session) => {
    session.publishing.on('blocked', (reason: string) => lane?.blocked(reason))
    session.publishing.on('unblocked', () => lane?.unblocked())
    await open(session)
  }

  const stop = async () => {
    stopping = true
    leave?.()
    const last = lane
    if (last === undefined) return
    // A silent session is ended by the lane's own watch; this is for a broker that blocks.
    const timeout = setTimeout(
      () => last.end(new Error('stopped while the broker blocked')),
      confirmTimeoutMs + 1000,
    )
    await last.idle()
    clearTimeout(timeout)
    if (lane === last) await closeChannel?.().catch(() => undefined)
  }

  const send = (message: OutgoingMessage, settle: Settle) => {
    if (stopping) settle(failure('unavailable', 'the publisher is stopped'))
    else if (lane === undefined) settle(failure('unavailable', 'no channel to the broker'))
    else lane.send(message, settle)
  }

  return {
    name,
    start: async () => {
      if (!stopping) leave ??= broker.join({ attach })
    },
    stop: () => {
      stopped ??= stop()
      return stopped
    },
    publish: (message) =>
      new Promise((resolve, reject) => {
        send(message, (error) => (error === null ? resolve() : reject(error)))
      }),
    send,
    inFlight: () => lane?.inFlight() ?? 0,
  }
}
