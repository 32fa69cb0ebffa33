import type { MessageProperties } from './message.ts'

/** Bytes that a table takes at most as amqplib writes it, its length included. */
export function tableBytes(table: Readonly<Record<string, unknown>>): number {
  let bytes = 4
  for (const [key, value] of Object.entries(table)) bytes += fieldBytes(key, value)
  return bytes
}

/** The same of one field with its key. */
export function fieldBytes(key: string, value: unknown): number {
  return 1 + Buffer.byteLength(key) + valueBytes(value)
}

/** With the tag. A value of a given type, like `{ '!': 'double', value }`, counts as the table that it is not. */
function valueBytes(value: unknown): number {
  if (typeof value === 'string') return 5 + Buffer.byteLength(value)
  if (Buffer.isBuffer(value)) return 5 + value.length
  if (Array.isArray(value)) return value.reduce<number>((bytes, item) => bytes + valueBytes(item), 5)
  if (typeof value === 'object' && value !== null)
    return 1 + tableBytes(value as Readonly<Record<string, unknown>>)
  return 9
}

/** What every content header holds: the frame, class, weight, size, flags, and the properties of fixed size. */
const FIXED_BYTES = 40

/** Bytes that the content header takes at most, which must fit into one frame. */
export function contentHeaderBytes({ headers = {}, ...properties }: MessageProperties): number {
  let bytes = FIXED_BYTES + tableBytes(headers)
  for (const value of Object.values(properties)) {
    if (typeof value === 'string') bytes += 1 + Buffer.byteLength(value)
  }
  return bytes
}
