import type { Channel } from 'amqplib'
import { coerceError } from '../runtime/errors.ts'
import { TopologyError } from './errors.ts'

export const REQUEST_QUEUE = 'provision.requests'
export const REQUEST_EXCHANGE = 'provision'
export const REQUEST_ROUTING_KEY = 'provision.request'
export const DEAD_LETTER_EXCHANGE = 'provision.dead'
export const DEAD_LETTER_QUEUE = 'provision.requests.dead'
export const EVENT_EXCHANGE = 'provision.events'
/** What replicas tell each other (broadcast.ts). */
export const WAKE_UP_EXCHANGE = 'provision.wakeups'
export const REPLAY_EXCHANGE = 'provision.replay'

/** Runs declarations on a channel of their own, since a refused one closes its channel. */
export type DeclareOn = <T>(what: string, declare: (channel: Channel) => Promise<T>) => Promise<T>

/**
 * Declares everything the service and its partners use; a declaration of what is already there changes nothing.
 *
 * The queues have no argument beside their type: whoever declares them by the contract, before us or after, declares
 * the same. So dead-lettering does not rest on the broker: intake moves a message to the dead letters by itself
 * (DELIVERY_LIMIT) before RabbitMQ 4 would delete it, which it does by default at the twentieth return.
 *
 * The dead-letter exchange is a fanout: a dead letter must arrive whatever its routing key, which is the producer's
 * when an operator's policy dead-letters. Dead letters come first, so that nothing is taken in before they can go out.
 *
 * Throws a TopologyError when a name is taken by something else or the user lacks the permission. A refused
 * declaration closes its channel, so each has its own.
 */
export async function declareTopology(on: DeclareOn): Promise<void> {
  await exchange(on, DEAD_LETTER_EXCHANGE, 'fanout')
  await exchange(on, REQUEST_EXCHANGE, 'topic')
  await exchange(on, EVENT_EXCHANGE, 'topic')
  await exchange(on, WAKE_UP_EXCHANGE, 'fanout')
  await exchange(on, REPLAY_EXCHANGE, 'direct')
  await quorumQueue(on, DEAD_LETTER_QUEUE)
  await quorumQueue(on, REQUEST_QUEUE)
  await explained('the bindings', () =>
    on('bind', async (channel) => {
      await channel.bindQueue(DEAD_LETTER_QUEUE, DEAD_LETTER_EXCHANGE, '')
      await channel.bindQueue(REQUEST_QUEUE, REQUEST_EXCHANGE, REQUEST_ROUTING_KEY)
    }),
  )
}

type Arguments = Record<string, string | number | boolean>

/**
 * A queue that an operator gave further arguments, such as a limit or a dead-letter exchange, serves as well, as long
 * as it is a quorum queue. The broker names only the first argument that differs, and the type is among the last: so
 * each is taken over and the declaration repeated, until the queue is found alike or of another type.
 */
async function quorumQueue(on: DeclareOn, name: string): Promise<void> {
  const declare = async (args: Arguments): Promise<void> => {
    try {
      await on(`declare queue ${name}`, (channel) =>
        channel.assertQueue(name, { durable: true, arguments: args }),
      )
    } catch (error) {
      const differing = codeOf(error) === PRECONDITION_FAILED && differingArgument(brokerWords(error))
      if (!differing || differing.name === 'x-queue-type') throw error
      // A value that cannot be read or is not taken back leaves the type untold; such a queue gets the benefit of the
      // doubt.
      if (differing.value === undefined || differing.name in args) return
      await declare({ ...args, [differing.name]: differing.value })
    }
  }
  await explained(`queue ${name}`, () => declare({ 'x-queue-type': 'quorum' }))
}

/**
 * The argument in which an existing queue differs, from the broker's sentence: `inequivalent arg 'x-max-length' for
 * queue ...: received none but current is the value '10' of type 'byte'`, or `... but current is 'text'`.
 */
function differingArgument(
  words: string,
): { name: string; value: string | number | boolean | undefined } | undefined {
  const name = /inequivalent arg '(x-[^']+)'/.exec(words)?.[1]
  if (name === undefined) return undefined
  const [, text, type = 'longstr'] =
    /but current is (?:the value )?'(.*?)'(?: of type '(\w+)')?$/.exec(words) ?? []
  if (text === undefined || type === 'longstr') return { name, value: text }
  if (type === 'bool') return { name, value: text === 'true' }
  return { name, value: /^-?\d+$/.test(text) ? Number(text) : undefined }
}

function exchange(on: DeclareOn, name: string, type: string): Promise<void> {
  return explained(`exchange ${name}`, () =>
    on(`declare exchange ${name}`, (channel) => channel.assertExchange(name, type, { durable: true })),
  )
}

const ACCESS_REFUSED = 403
const RESOURCE_LOCKED = 405
const PRECONDITION_FAILED = 406

async function explained(subject: string, declare: () => Promise<unknown>): Promise<void> {
  try {
    await declare()
  } catch (error) {
    throw explain(subject, error)
  }
}

function explain(subject: string, error: unknown): Error {
  const code = codeOf(error)
  const words = brokerWords(error)
  if (code === PRECONDITION_FAILED || code === RESOURCE_LOCKED) {
    return new TopologyError(
      `${subject} exists with other properties than the service needs (${words}): remove it or declare it alike`,
      { cause: error },
    )
  }
  if (code === ACCESS_REFUSED) {
    return new TopologyError(
      `the broker does not let this user declare ${subject} (${words}): it needs configure, write and read permission for ^provision`,
      { cause: error },
    )
  }
  return coerceError(error)
}

function codeOf(error: unknown): unknown {
  return (coerceError(error) as { code?: unknown }).code
}

/** The broker's own sentence inside amqplib's message. */
function brokerWords(error: unknown): string {
  const { message } = coerceError(error)
  return /with message "(.*)"$/s.exec(message)?.[1] ?? message
}
