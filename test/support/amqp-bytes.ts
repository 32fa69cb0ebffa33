/** Bytes of AMQP 0-9-1 as the wire has them, well formed or not: what no client library lets a test send. */

/** A field of a table or an array: its tag and the bytes that follow it. */
export type Field = Buffer

export const uint = (value: number | bigint, bytes: 1 | 2 | 4 | 8): Buffer => {
  const buffer = Buffer.alloc(8)
  buffer.writeBigUInt64BE(BigInt.asUintN(64, BigInt(value)))
  return buffer.subarray(8 - bytes)
}

export const shortstr = (text: string | Buffer): Buffer => {
  const bytes = Buffer.from(text as string)
  return Buffer.concat([uint(bytes.length, 1), bytes])
}

export const longstr = (text: string | Buffer): Buffer => {
  const bytes = Buffer.from(text as string)
  return Buffer.concat([uint(bytes.length, 4), bytes])
}

export const field = (tag: string, ...bytes: Buffer[]): Field => Buffer.concat([Buffer.from(tag), ...bytes])

export const text = (value: string | Buffer): Field => field('S', longstr(value))

/** A table with its length; keys may repeat, and need not be text. */
export const table = (pairs: readonly (readonly [key: string | Buffer, value: Field])[]): Buffer =>
  longstr(Buffer.concat(pairs.flatMap(([key, value]) => [shortstr(key), value])))

export const array = (values: readonly Field[]): Field => field('A', longstr(Buffer.concat(values)))

/** Arrays in arrays. */
export const nested = (depth: number): Field => {
  // From the inside out, into one buffer: concatenating each level would cost the square of the depth.
  const bytes = Buffer.alloc(5 * depth)
  for (let level = 0; level < depth; level += 1) {
    bytes.write('A', 5 * level)
    bytes.writeUInt32BE(5 * (depth - level - 1), 5 * level + 1)
  }
  return bytes
}

/** The properties of a message in the order of their flags. */
const PROPERTIES = [
  'contentType',
  'contentEncoding',
  'headers',
  'deliveryMode',
  'priority',
  'correlationId',
  'replyTo',
  'expiration',
  'messageId',
  'timestamp',
  'type',
  'userId',
  'appId',
  'clusterId',
] as const

/** The encoded value of each property. */
export type RawProperties = Partial<Record<(typeof PROPERTIES)[number], Buffer>>

/** Property flags and property list, as they stand in a content header. */
export function propertyBytes(properties: RawProperties): Buffer {
  let flags = 0
  const values: Buffer[] = []
  for (const [index, name] of PROPERTIES.entries()) {
    const value = properties[name]
    if (value === undefined) continue
    flags |= 0x8000 >> index
    values.push(value)
  }
  return Buffer.concat([uint(flags, 2), ...values])
}
