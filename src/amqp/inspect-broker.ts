import { randomUUID } from 'node:crypto'
import type { Channel } from 'amqplib'
import { coerceError } from '../runtime/errors.ts'
import { parseBrokerUrl } from './broker-address.ts'
import { openSession } from './session.ts'
import {
  DEAD_LETTER_EXCHANGE,
  DEAD_LETTER_QUEUE,
  type DeclareOn,
  declareTopology,
  EVENT_EXCHANGE,
  REPLAY_EXCHANGE,
  REQUEST_EXCHANGE,
  REQUEST_QUEUE,
  WAKE_UP_EXCHANGE,
} from './topology.ts'

export interface BrokerFacts {
  /** Such as `RabbitMQ 3.10.8`. */
  server: string
  /** Exchanges and queues that are not there yet. */
  missing: string[]
  /** Messages that wait, and those who consume them; null where there is no such queue. */
  requests: { messages: number; consumers: number } | null
  deadLetters: { messages: number } | null
  /** What is wrong with the topology, or with the user's rights to it; null where nothing is. */
  objection: string | null
}

const EXCHANGES = [DEAD_LETTER_EXCHANGE, REQUEST_EXCHANGE, EVENT_EXCHANGE, WAKE_UP_EXCHANGE, REPLAY_EXCHANGE]
const NOT_FOUND = 404
const TIMEOUT_MS = 10_000

/**
 * Looks at the broker as the service would find it at its start, and leaves nothing behind: what is missing is not
 * declared, and what is there is declared again, which changes nothing.
 *
 * Throws when there is no session to be had.
 */
export async function inspectBroker(url: string): Promise<BrokerFacts> {
  const address = parseBrokerUrl(url, { heartbeatSeconds: 10 })
  const session = await openSession(
    {
      address,
      connectionName: 'provisioner doctor',
      connectTimeoutMs: TIMEOUT_MS,
      callTimeoutMs: TIMEOUT_MS,
      declareTopology,
    },
    new AbortController().signal,
  )
  try {
    const on = session.declareOn
    const missing: string[] = []
    const there = async <Reply>(name: string, ask: (channel: Channel) => Promise<Reply>) => {
      try {
        return await on(`look at ${name}`, ask)
      } catch (error) {
        if ((coerceError(error) as { code?: unknown }).code !== NOT_FOUND) throw error
        missing.push(name)
        return null
      }
    }
    let requests: BrokerFacts['requests'] = null
    let deadLetters: BrokerFacts['deadLetters'] = null
    const objection = await objectionTo(async () => {
      for (const name of EXCHANGES) await there(name, (channel) => channel.checkExchange(name))
      requests = countsOf(await there(REQUEST_QUEUE, (channel) => channel.checkQueue(REQUEST_QUEUE)))
      deadLetters = countsOf(
        await there(DEAD_LETTER_QUEUE, (channel) => channel.checkQueue(DEAD_LETTER_QUEUE)),
      )
      if (missing.length === 0) await session.declare()
      else await declareForAMoment(on)
    })
    return { server: serverOf(session.publishing), missing, requests, deadLetters, objection }
  } finally {
    await session.close()
  }
}

function countsOf(reply: { messageCount: number; consumerCount: number } | null) {
  return reply && { messages: reply.messageCount, consumers: reply.consumerCount }
}

/** Proves that the user may declare what the service is going to: the queue is gone with the session. */
async function declareForAMoment(on: DeclareOn): Promise<void> {
  const name = `provision.doctor.${randomUUID()}`
  await on('declare a queue', async (channel) => {
    await channel.assertQueue(name, { exclusive: true, durable: false, autoDelete: true })
    await channel.deleteQueue(name)
  })
}

async function objectionTo(work: () => Promise<void>): Promise<string | null> {
  try {
    await work()
    return null
  } catch (error) {
    return coerceError(error).message
  }
}

function serverOf(model: object): string {
  const { connection } = model as { connection?: { serverProperties?: Record<string, unknown> } }
  const { product = 'a broker', version = 'of unknown version' } = connection?.serverProperties ?? {}
  return `${String(product)} ${String(version)}`
}
