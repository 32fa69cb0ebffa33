import { setTimeout as sleep } from 'node:timers/promises'
import type { Channel, ConsumeMessage } from 'amqplib'
import type { Logger } from 'pino'
import { jitteredBackoff } from '../runtime/backoff.ts'
import { coerceError } from '../runtime/errors.ts'
import type { Service } from '../runtime/service.ts'
import { newUuid } from '../runtime/uuid.ts'
import type { Broker } from './connection.ts'
import type { Session } from './session.ts'
import { createSparseLog } from './sparse-log.ts'

/** What is said within this time goes out as one message. */
const GATHER_MS = 5
const REOPEN_BACKOFF_MS = { minMs: 200, maxMs: 10_000 }

/**
 * Best-effort messages from each replica to all others, over a fanout exchange: they may shorten a wait, and must never
 * be the only thing that ends one.
 */
export interface Broadcast extends Service {
  /** Never waits and never throws. Without a usable link the word is dropped. */
  say(word: string): void
  /** Whether the words of others arrive here, as far as is known. */
  hears(): boolean
}

export interface BroadcastOptions {
  broker: Pick<Broker, 'join'>
  exchange: string
  /** Others have said these words, each once. */
  onWords: (words: readonly string[]) => void
  /** Others are heard from now on, or not any more; what they said in between is lost. */
  onHearing: (hears: boolean) => void
  logger: Logger
}

/** The channel and the queue of this replica, while they last. */
interface Ear {
  session: Session
  channel: Channel
  /** The name of the queue tells its own messages from those of others. */
  queue: string
}

/**
 * Each replica has a queue of its own, which ends with its connection. It is on the publishing connection: the other
 * one holds back what it reads while intake has its hands full. A fault of the channel ends nothing else; another one
 * is opened.
 */
export function createBroadcast({
  broker,
  exchange,
  onWords,
  onHearing,
  logger,
}: BroadcastOptions): Broadcast {
  const logLoss = createSparseLog({
    logger,
    message: `${exchange}: replicas are not heard, looking more often`,
  })
  const unsaid = new Set<string>()
  let ear: Ear | undefined
  let gathering = false
  let leave: (() => void) | undefined
  let stopped = false

  const usable = () => ear !== undefined && ear.session.blockedReason() === null

  const send = () => {
    gathering = unsaid.size > 0
    if (!gathering) return
    setTimeout(send, GATHER_MS)
    const words = [...unsaid].join(' ')
    unsaid.clear()
    if (ear === undefined || !usable()) return
    try {
      ear.channel.publish(exchange, '', Buffer.from(words), { deliveryMode: 1, appId: ear.queue })
    } catch (error) {
      logger.debug({ err: error }, 'words to other replicas were not sent')
    }
  }

  /** Runs inside amqplib's frame loop, so it must not throw. */
  const hear = ({ channel, queue }: Ear, message: ConsumeMessage | null) => {
    // The queue was deleted.
    if (message === null) return void channel.close().catch(() => undefined)
    if (message.properties.appId !== queue) onWords(message.content.toString().split(' '))
  }

  /** Resolves with the reason when the channel has ended. */
  const listen = async (session: Session): Promise<unknown> => {
    const channel = await session.within('open a channel', () => session.publishing.createChannel())
    let cause: unknown
    const ended = new Promise<void>((resolve) => {
      channel.on('close', resolve)
      session.signal.addEventListener('abort', () => resolve())
    })
    channel.on('error', (error: Error) => {
      cause = error
    })
    const opened: Ear = { session, channel, queue: `${exchange}.${newUuid()}` }
    const { queue } = opened
    await session.within(`listen to ${exchange}`, async () => {
      await channel.assertQueue(queue, { exclusive: true, autoDelete: true, durable: false })
      await channel.bindQueue(queue, exchange, '')
      await channel.consume(queue, (message) => hear(opened, message), { noAck: true })
    })
    if (stopped) return channel.close()
    ear = opened
    onHearing(true)
    await ended
    ear = undefined
    onHearing(false)
    return cause
  }

  const keepListening = async (session: Session) => {
    for (let losses = 1; !session.signal.aborted && !stopped; losses += 1) {
      const cause = await listen(session).catch(coerceError)
      if (session.signal.aborted || stopped) return
      logLoss(cause)
      await sleep(jitteredBackoff(losses, REOPEN_BACKOFF_MS), undefined, { signal: session.signal }).catch(
        () => undefined,
      )
      // A broker that has forgotten the exchange gets it again.
      await session.declare().catch((error: unknown) => session.fail(coerceError(error)))
    }
  }

  return {
    name: 'words of replicas',
    start: async () => {
      if (stopped) return
      leave ??= broker.join({
        attach: async (session) => {
          void keepListening(session)
        },
      })
    },
    stop: async () => {
      stopped = true
      leave?.()
      send()
      await ear?.channel.close().catch(() => undefined)
    },
    say: (word) => {
      if (!usable()) return
      unsaid.add(word)
      if (gathering) return
      gathering = true
      setImmediate(send)
    },
    hears: usable,
  }
}
