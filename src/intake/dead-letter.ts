import type { Delivery } from '../amqp/message.ts'
import { type OutgoingMessage, republishedProperties } from '../amqp/message.ts'
import { DEAD_LETTER_EXCHANGE, DEAD_LETTER_QUEUE } from '../amqp/topology.ts'
import type { Fault } from '../contracts/fault.ts'
import type { RejectionCode } from '../contracts/request-message.ts'

export interface Reason {
  code: RejectionCode
  detail: readonly Fault[]
  at: Date
}

/** The message as it goes to the dead-letter queue: body and properties as they came, and the reason as headers. */
export function toDeadLetter(delivery: Delivery, reason: Reason): OutgoingMessage {
  return {
    exchange: DEAD_LETTER_EXCHANGE,
    routingKey: DEAD_LETTER_QUEUE,
    body: delivery.body,
    properties: republishedProperties(delivery.properties, reasonHeaders(reason)),
    mandatory: true,
  }
}

/** The same without the sender's headers: for a message whose headers leave no room for the reason beside them. */
export function toBareDeadLetter(delivery: Delivery, reason: Reason): OutgoingMessage {
  const detail = [
    ...reason.detail,
    { path: '', message: 'the headers of the message were too large to be kept' },
  ]
  const bare = { ...delivery, properties: { ...delivery.properties, headers: {} } }
  return toDeadLetter(bare, { ...reason, detail })
}

function reasonHeaders({ code, detail, at }: Reason) {
  return {
    'x-rejection-code': code,
    'x-rejection-detail': JSON.stringify(detail),
    'x-rejected-at': at.toISOString(),
  }
}
