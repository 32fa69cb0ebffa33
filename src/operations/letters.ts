import type { Delivery, OutgoingMessage } from '../amqp/message.ts'
import { copyProperties } from '../amqp/republish.ts'
import { DEAD_LETTER_QUEUE, REQUEST_EXCHANGE, REQUEST_ROUTING_KEY } from '../amqp/topology.ts'
import { REJECTION_HEADERS } from '../contracts/letter-id.ts'

/** All that amqplib encodes. */
const HEADER_BYTES = 64_000

/** The message of a dead letter, as its sender published it, back on its way to the request queue. */
export function replayedLetter(letter: Delivery): OutgoingMessage {
  const { properties } = copyProperties(letter, { headerBytes: HEADER_BYTES, replaced: REJECTION_HEADERS })
  const { body } = letter
  return { exchange: REQUEST_EXCHANGE, routingKey: REQUEST_ROUTING_KEY, body, properties, mandatory: true }
}

/** The letter as it is, for the tail of its own queue, and of no other that is bound to the dead letters. */
export function movedLetter(letter: Delivery): OutgoingMessage {
  const { properties } = copyProperties(letter, { headerBytes: HEADER_BYTES, replaced: new Set() })
  return { exchange: '', routingKey: DEAD_LETTER_QUEUE, body: letter.body, properties, mandatory: true }
}
