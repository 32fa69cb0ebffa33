import type { ChannelModel } from 'amqplib'
import { readTable, readText } from './field-table.ts'
import type { MessageProperties } from './message.ts'

/** The properties of a message as they came, where they can be read. */
export interface ReceivedProperties extends MessageProperties {
  /**
   * What is missing from the properties, or not as it was sent, by its name on the wire: `timestamp`, `headers.foo`.
   * Text that is not UTF-8 is still there, with U+FFFD for what could not be read; headers are left out.
   */
  unreadable: readonly string[]
}

type Name = Exclude<keyof ReceivedProperties, 'unreadable'>

/** In the order of their flags, the highest first. */
const PROPERTIES: readonly { name: Name; wireName: string; type: 'text' | 'octet' | 'table' | 'time' }[] = [
  { name: 'contentType', wireName: 'content_type', type: 'text' },
  { name: 'contentEncoding', wireName: 'content_encoding', type: 'text' },
  { name: 'headers', wireName: 'headers', type: 'table' },
  { name: 'deliveryMode', wireName: 'delivery_mode', type: 'octet' },
  { name: 'priority', wireName: 'priority', type: 'octet' },
  { name: 'correlationId', wireName: 'correlation_id', type: 'text' },
  { name: 'replyTo', wireName: 'reply_to', type: 'text' },
  { name: 'expiration', wireName: 'expiration', type: 'text' },
  { name: 'messageId', wireName: 'message_id', type: 'text' },
  { name: 'timestamp', wireName: 'timestamp', type: 'time' },
  { name: 'type', wireName: 'type', type: 'text' },
  { name: 'userId', wireName: 'user_id', type: 'text' },
  { name: 'appId', wireName: 'app_id', type: 'text' },
  { name: 'clusterId', wireName: 'cluster_id', type: 'text' },
]

const WIRE_NAMES = new Map<string, string>(PROPERTIES.map(({ name, wireName }) => [name, wireName]))

/** The name of a property in AMQP: `content_type` of `contentType`. */
export function wireNameOf(name: string): string {
  return WIRE_NAMES.get(name) ?? name
}

/** Reads property flags and property list. Never throws: what cannot be read is named. */
export function readProperties(bytes: Buffer): ReceivedProperties {
  const properties: Record<string, unknown> = {}
  const unreadable: string[] = []
  let at = 2
  try {
    const flags = bytes.readUInt16BE(0)
    for (const [index, { name, wireName, type }] of PROPERTIES.entries()) {
      if ((flags & (0x8000 >> index)) === 0) continue
      if (type === 'text') {
        const { text, exact } = readText(slice(bytes, at + 1, bytes.readUInt8(at)))
        at += 1 + bytes.readUInt8(at)
        properties[name] = text
        if (!exact) unreadable.push(wireName)
      } else if (type === 'octet') {
        properties[name] = bytes.readUInt8(at)
        at += 1
      } else if (type === 'time') {
        const seconds = Number(bytes.readBigUInt64BE(at))
        at += 8
        if (Number.isSafeInteger(seconds)) properties[name] = seconds
        else unreadable.push(wireName)
      } else {
        const length = bytes.readUInt32BE(at)
        const table = readHeaders(slice(bytes, at + 4, length))
        at += 4 + length
        properties[name] = table.fields
        unreadable.push(...table.unreadable)
      }
    }
    return { ...properties, unreadable }
  } catch {
    return { unreadable: ['properties'] }
  }
}

function readHeaders(bytes: Buffer): { fields: Record<string, unknown>; unreadable: string[] } {
  try {
    const { fields, lost } = readTable(bytes)
    return { fields, unreadable: lost.map((key) => `headers.${key}`) }
  } catch {
    return { fields: {}, unreadable: ['headers'] }
  }
}

function slice(bytes: Buffer, from: number, length: number): Buffer {
  if (from + length > bytes.length) throw new RangeError('the bytes end before the value')
  return bytes.subarray(from, from + length)
}

const FRAME_HEADER = 2
const FRAME_END = 0xce
/** Type, channel and size before the payload, and the end after it. */
const FRAME_OVERHEAD = 8

/**
 * Lets the content headers that a connection receives be read by `readProperties` instead of amqplib's decoder, so that
 * `message.properties` are ReceivedProperties, and no header ends the connection.
 */
export function readOwnHeaders(connection: ChannelModel): void {
  const inner = connection.connection as unknown as { rest: Buffer; recvFrame(): unknown }
  const receive = inner.recvFrame.bind(inner)
  inner.recvFrame = () => {
    const { rest } = inner
    if (rest[0] !== FRAME_HEADER || rest.length < FRAME_OVERHEAD) return receive()
    const length = FRAME_OVERHEAD + rest.readUInt32BE(3)
    if (rest.length < length || rest[length - 1] !== FRAME_END) return receive()
    inner.rest = rest.subarray(length)
    // Class, weight, body size, then flags and list.
    const payload = rest.subarray(7, length - 1)
    return {
      id: payload.readUInt16BE(0),
      channel: rest.readUInt16BE(1),
      size: Number(payload.readBigUInt64BE(4)),
      fields: readProperties(payload.subarray(12)),
    }
  }
}
