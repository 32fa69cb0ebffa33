import { isUtf8 } from 'node:buffer'

/*
 * Header tables as RabbitMQ sends them. amqplib's own decoder silently loses what JavaScript cannot express,
 * and a table nested some thousand times overflows its stack, which ends the connection that brought it.
 */

/** What is nested deeper is skipped. */
const MAX_DEPTH = 32

/** Stands for a value that amqplib could not publish again as it came. */
const LOST = Symbol('lost')

interface Cursor {
  readonly bytes: Buffer
  at: number
}

export interface FieldTable {
  /**
   * Without a prototype. Numbers are numbers where that changes nothing but their width, and else what amqplib writes
   * with a given type: `{ '!': 'int64', value: bigint }`.
   */
  fields: Record<string, unknown>
  /** Keys of fields that amqplib could not publish again as they came; they are not in `fields`. */
  lost: string[]
}

/** Reads a table without its length. Throws a RangeError when the bytes are not a table. */
export function readTable(bytes: Buffer): FieldTable {
  const fields: Record<string, unknown> = Object.create(null)
  const lost: string[] = []
  for (const [key, value] of readPairs(bytes, 1)) {
    if (value === LOST) lost.push(key)
    else fields[key] = value
  }
  return { fields, lost }
}

export interface WireText {
  text: string
  /** False when the bytes are not UTF-8, so that the text is not what was sent. */
  exact: boolean
}

export function readText(bytes: Buffer): WireText {
  const text = bytes.toString('utf8')
  return { text, exact: !text.includes('\ufffd') || isUtf8(bytes) }
}

function readPairs(bytes: Buffer, depth: number): Map<string, unknown> {
  const pairs = new Map<string, unknown>()
  const cursor: Cursor = { bytes, at: 0 }
  while (cursor.at < bytes.length) {
    const key = readText(take(cursor, take(cursor, 1).readUInt8()))
    const value = readValue(cursor, depth)
    // Of two values under one key, amqplib could send one.
    pairs.set(key.text, key.exact && !pairs.has(key.text) ? value : LOST)
  }
  return pairs
}

function readValue(cursor: Cursor, depth: number): unknown {
  const tag = String.fromCharCode(take(cursor, 1).readUInt8())
  const fixed = FIXED[tag]
  if (fixed !== undefined) return fixed.read(take(cursor, fixed.size))
  if (tag === 'V') return null
  if (!'SxAF'.includes(tag)) throw new RangeError(`unknown type of field: ${tag}`)
  const bytes = take(cursor, take(cursor, 4).readUInt32BE())
  if (tag === 'x') return bytes
  if (tag === 'S') {
    const { text, exact } = readText(bytes)
    return exact ? text : LOST
  }
  if (depth >= MAX_DEPTH) return LOST
  return tag === 'A' ? readArray(bytes, depth + 1) : readNested(bytes, depth + 1)
}

function readArray(bytes: Buffer, depth: number): unknown {
  const values: unknown[] = []
  const cursor: Cursor = { bytes, at: 0 }
  while (cursor.at < bytes.length) values.push(readValue(cursor, depth))
  return values.includes(LOST) ? LOST : values
}

function readNested(bytes: Buffer, depth: number): unknown {
  const fields: Record<string, unknown> = Object.create(null)
  for (const [key, value] of readPairs(bytes, depth)) {
    // amqplib takes an object with this key for a value of a given type.
    if (value === LOST || key === '!') return LOST
    fields[key] = value
  }
  return fields
}

/** Values of one size, by the tag before them. */
const FIXED: Readonly<Record<string, { size: number; read: (bytes: Buffer) => unknown }>> = {
  t: { size: 1, read: (bytes) => bytes.readUInt8() !== 0 },
  b: { size: 1, read: (bytes) => bytes.readInt8() },
  B: { size: 1, read: (bytes) => bytes.readUInt8() },
  s: { size: 2, read: (bytes) => bytes.readInt16BE() },
  u: { size: 2, read: (bytes) => bytes.readUInt16BE() },
  I: { size: 4, read: (bytes) => bytes.readInt32BE() },
  i: { size: 4, read: (bytes) => bytes.readUInt32BE() },
  l: { size: 8, read: (bytes) => integer(bytes.readBigInt64BE()) },
  f: { size: 4, read: (bytes) => real(bytes.readFloatBE()) },
  d: { size: 8, read: (bytes) => real(bytes.readDoubleBE()) },
  T: { size: 8, read: (bytes) => ({ '!': 'timestamp', value: bytes.readBigUInt64BE() }) },
  D: {
    size: 5,
    read: (bytes) => ({
      '!': 'decimal',
      value: { places: bytes.readUInt8(), digits: bytes.readUInt32BE(1) },
    }),
  },
}

function integer(value: bigint): unknown {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : { '!': 'int64', value }
}

/** amqplib knows a plain number for a double by its fraction. RabbitMQ takes finite ones only. */
function real(value: number): unknown {
  if (!Number.isFinite(value)) return LOST
  return Number.isInteger(value) || Math.abs(value) >= 2 ** 50 ? { '!': 'double', value } : value
}

function take(cursor: Cursor, length: number): Buffer {
  const end = cursor.at + length
  if (end > cursor.bytes.length) throw new RangeError('the bytes end before the value')
  const taken = cursor.bytes.subarray(cursor.at, end)
  cursor.at = end
  return taken
}
