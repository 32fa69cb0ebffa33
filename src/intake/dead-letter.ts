import { wireNameOf } from '../amqp/content-header.ts'
import { tableBytes } from '../amqp/encoded-size.ts'
import type { Delivery, MessageProperties, OutgoingMessage } from '../amqp/message.ts'
import { copyProperties } from '../amqp/republish.ts'
import { DEAD_LETTER_EXCHANGE, DEAD_LETTER_QUEUE } from '../amqp/topology.ts'
import type { Fault } from '../contracts/fault.ts'
import {
  REJECTED_AT,
  REJECTION_ALTERED,
  REJECTION_CODE,
  REJECTION_DETAIL,
  REJECTION_HEADERS,
} from '../contracts/letter-id.ts'
import type { RejectionCode } from '../contracts/rejection-code.ts'
import { isSealedLetter, SEALED_TYPE } from '../secrets/unseal-letter.ts'
import type { Carried } from './sealed-letter.ts'

export interface Reason {
  code: RejectionCode
  detail: readonly Fault[]
  at: Date
}

/** All headers of a letter together: amqplib encodes at most 64 KiB. */
const HEADER_BYTES = 60_000
/** Of these, for the names of what was left out. */
const NAMES_BYTES = 4_000
/** For the detail of a bare letter, which fits into the smallest frame that AMQP allows, 4 KiB. */
const BARE_DETAIL_BYTES = 3_000

/**
 * The message as it goes to the dead-letter queue: its body as it is carried, and the reason as headers. Of the sender's
 * properties, what AMQP or the broker would not carry again is left out and named in `x-rejection-altered`.
 */
export function toDeadLetter({ delivery, altered }: Carried, reason: Reason): OutgoingMessage {
  const added = reasonHeaders(reason)
  const { properties, leftOut } = copyProperties(delivery, {
    headerBytes: HEADER_BYTES - NAMES_BYTES - tableBytes(added),
    replaced: REJECTION_HEADERS,
  })
  return letterOf(delivery, {
    ...properties,
    headers: { ...properties.headers, ...added, ...alteredHeader([...altered, ...leftOut]) },
  })
}

/** The body and a reason of bounded length, for a message that did not go in any other form. */
export function toBareDeadLetter({ delivery, altered }: Carried, reason: Reason): OutgoingMessage {
  const detail = [...reason.detail]
  while (Buffer.byteLength(JSON.stringify(detail)) > BARE_DETAIL_BYTES) detail.pop()
  const names = Object.entries(delivery.properties).flatMap(([name, value]) =>
    value === undefined ? [] : [wireNameOf(name)],
  )
  const unread = delivery.unreadable.filter((name) => !name.startsWith('headers.'))
  const isSealed = isSealedLetter(delivery)
  const leftOut = new Set([...altered.map(namesOfHeaders), ...names, ...unread])
  // Without it the letter could not be opened.
  if (isSealed) leftOut.delete('content_type')
  return letterOf(delivery, {
    ...(isSealed ? { contentType: SEALED_TYPE } : {}),
    headers: { ...reasonHeaders({ ...reason, detail }), ...alteredHeader([...leftOut]) },
  })
}

function letterOf({ body }: Delivery, properties: MessageProperties): OutgoingMessage {
  return {
    exchange: DEAD_LETTER_EXCHANGE,
    routingKey: DEAD_LETTER_QUEUE,
    body,
    properties,
    mandatory: true,
  }
}

function reasonHeaders({ code, detail, at }: Reason) {
  return {
    [REJECTION_CODE]: code,
    [REJECTION_DETAIL]: JSON.stringify(detail),
    [REJECTED_AT]: at.toISOString(),
  }
}

/** The names as a JSON array; if there are too many, `headers` stands for the names of all headers. */
function alteredHeader(leftOut: readonly string[]) {
  if (leftOut.length === 0) return {}
  const names = JSON.stringify(leftOut)
  if (Buffer.byteLength(names) <= NAMES_BYTES - 100) return { [REJECTION_ALTERED]: names }
  const short = leftOut.map(namesOfHeaders)
  return { [REJECTION_ALTERED]: JSON.stringify([...new Set(short)]) }
}

function namesOfHeaders(name: string): string {
  return name.startsWith('headers.') ? 'headers' : name
}
