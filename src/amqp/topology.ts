import type { Channel } from 'amqplib'
import { coerceError } from '../runtime/errors.ts'
import { TopologyError } from './errors.ts'

export const REQUEST_QUEUE = 'provision.requests'
export const REQUEST_EXCHANGE = 'provision'
export const REQUEST_ROUTING_KEY = 'provision.request'
export const DEAD_LETTER_EXCHANGE = 'provision.dead'
export const DEAD_LETTER_QUEUE = 'provision.requests.dead'
export const EVENT_EXCHANGE = 'provision.events'

/**
 * Arguments of the request queue beside its type. From RabbitMQ 4.0 on a quorum queue deletes a message that was
 * given back more than 20 times, unless it can dead-letter it; that must hold without an operator's policy, so it
 * is said in arguments (which, for these keys, also win over a policy). `at-least-once` keeps the message until the
 * dead letter is confirmed, and works only together with `reject-publish`. The limit itself is left to the broker
 * and its policies.
 */
const DEAD_LETTERING = {
  'x-dead-letter-exchange': DEAD_LETTER_EXCHANGE,
  'x-dead-letter-strategy': 'at-least-once',
  'x-overflow': 'reject-publish',
}

const QUORUM = { 'x-queue-type': 'quorum' }

const PLAIN_QUEUE_ADVICE =
  `queue ${REQUEST_QUEUE} was declared by somebody else, without dead-lettering: set a policy with ` +
  `dead-letter-exchange ${DEAD_LETTER_EXCHANGE}, dead-letter-strategy at-least-once and overflow reject-publish, ` +
  'or RabbitMQ 4 deletes a message that is given back too often'

/** Runs declarations on a channel of their own, since a refused one closes its channel. */
export type DeclareOn = <T>(what: string, declare: (channel: Channel) => Promise<T>) => Promise<T>

/**
 * Declares everything the service and its partners use; a declaration of what is already there changes nothing.
 *
 * The dead-letter exchange is a fanout: a dead letter must arrive whatever its routing key, which is the producer's
 * when the broker itself dead-letters. Dead letters come first, so that the request queue never points to nothing.
 *
 * Resolves with advice for the operator, or null. Throws a TopologyError when a name is taken by something else or
 * the user lacks the permission. A refused declaration closes its channel, so each has its own.
 */
export async function declareTopology(on: DeclareOn): Promise<string | null> {
  await exchange(on, DEAD_LETTER_EXCHANGE, 'fanout')
  await exchange(on, REQUEST_EXCHANGE, 'topic')
  await exchange(on, EVENT_EXCHANGE, 'topic')
  await explained(`queue ${DEAD_LETTER_QUEUE}`, () => queue(on, DEAD_LETTER_QUEUE, QUORUM))
  const advice = await requestQueue(on)
  await explained('the bindings', () =>
    on('bind', async (channel) => {
      await channel.bindQueue(DEAD_LETTER_QUEUE, DEAD_LETTER_EXCHANGE, '')
      await channel.bindQueue(REQUEST_QUEUE, REQUEST_EXCHANGE, REQUEST_ROUTING_KEY)
    }),
  )
  return advice
}

/**
 * A producer or an operator may have declared the queue before us, as the plain quorum queue that the contract
 * names. It serves as well, except that dead-lettering by the broker's own limit is then up to a policy.
 */
async function requestQueue(on: DeclareOn): Promise<string | null> {
  try {
    await queue(on, REQUEST_QUEUE, { ...QUORUM, ...DEAD_LETTERING })
    return null
  } catch (error) {
    if (codeOf(error) !== PRECONDITION_FAILED) throw explain(`queue ${REQUEST_QUEUE}`, error)
    try {
      await queue(on, REQUEST_QUEUE, QUORUM)
    } catch (plainError) {
      throw explain(`queue ${REQUEST_QUEUE}`, moreTelling(error, plainError))
    }
    return PLAIN_QUEUE_ADVICE
  }
}

function exchange(on: DeclareOn, name: string, type: string): Promise<void> {
  return explained(`exchange ${name}`, () =>
    on(`declare exchange ${name}`, (channel) => channel.assertExchange(name, type, { durable: true })),
  )
}

function queue(on: DeclareOn, name: string, args: Record<string, string>): Promise<unknown> {
  return on(`declare queue ${name}`, (channel) =>
    channel.assertQueue(name, { durable: true, arguments: args }),
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

/** Of two refusals the one that names what is foreign: not an argument that only one of the declarations had. */
function moreTelling(full: unknown, plain: unknown): unknown {
  const argument = /inequivalent arg '([^']+)'/.exec(brokerWords(plain))?.[1]
  return argument !== undefined && argument in DEAD_LETTERING ? full : plain
}
