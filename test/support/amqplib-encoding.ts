import { createRequire } from 'node:module'
import type { OutgoingMessage } from '../../src/amqp/message.ts'

// Its inside, which the package does not export.
const inside = createRequire(new URL('../../node_modules/amqplib/package.json', import.meta.url))
const { encodeProperties } = inside('./lib/defs.js') as {
  encodeProperties(id: number, channel: number, size: number, properties: object): Buffer
}
const { publish } = inside('./lib/api_args.js') as {
  publish(exchange: string, routingKey: string, options: object): object
}

const BASIC = 60
/** Frame, class, weight and body size. */
const BEFORE_FLAGS = 7 + 12

/** Property flags and list as amqplib would send them; throws as it would. */
export function encodedByAmqplib({ exchange, routingKey, properties }: OutgoingMessage): Buffer {
  const frame = encodeProperties(BASIC, 1, 0, publish(exchange, routingKey, properties))
  return frame.subarray(BEFORE_FLAGS, -1)
}
