import { EVENT_CONTENT_TYPE } from '../contracts/events.ts'
import { findIds } from '../contracts/request-ids.ts'
import { parseRequestMessage } from '../contracts/request-message.ts'

/** An order as it will be published. */
export interface Order {
  projectId: string
  requestId: string
  body: Buffer
  contentType: string
  /** Where it stands in what was read, from 1. */
  line: number
}

export interface OrderFault {
  line: number
  /** Where in the order; empty for the whole. */
  path: string
  /** Never a value of the order. */
  message: string
}

export interface ReadOrders {
  orders: Order[]
  faults: OrderFault[]
}

const NEWLINE = 0x0a
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf])

/**
 * Reads one order, or one on each line (JSON Lines), and judges each as the service will: as request message, or as
 * CloudEvent where it has a `specversion`. Each needs a request id of its own: by that running again is safe. Pure.
 */
export function readOrders(text: Buffer): ReadOrders {
  const read: ReadOrders = { orders: [], faults: [] }
  const firstOf = new Map<string, Order>()
  for (const { line, body } of bodiesIn(text)) {
    const { contentType, value } = formatOf(body)
    const input = { body, contentType, messageId: undefined, correlationId: undefined, headers: {} }
    const parsed = parseRequestMessage(input)
    const rejection = parsed.ok === 'sealed' ? parsed.rejection : parsed.ok ? null : parsed
    if (rejection !== null) {
      // A place in a body of one line: the line that counts is the other one.
      const told = (message: string) =>
        body.includes(NEWLINE) ? message : message.replace('at line 1, ', 'at ')
      read.faults.push(
        ...rejection.detail.map(({ path, message }) => ({ line, path, message: told(message) })),
      )
      continue
    }
    const format = contentType === EVENT_CONTENT_TYPE ? 'cloudevents' : 'plain'
    const { projectId = '', requestId = '' } = findIds(value, format, undefined, [])
    const order: Order = { projectId, requestId, body, contentType, line }
    const key = `${projectId} ${requestId}`
    const first = firstOf.get(key)
    if (first === undefined) firstOf.set(key, order)
    else read.faults.push({ line, path: 'request_id', message: `is that of line ${first.line}, too` })
    read.orders.push(order)
  }
  return read
}

function formatOf(body: Buffer): { contentType: string; value: unknown } {
  let value: unknown
  try {
    value = JSON.parse(body.toString('utf8'))
  } catch {
    // What is wrong with it is told by whoever parses it strictly.
  }
  const isEvent = typeof value === 'object' && value !== null && 'specversion' in value
  return { contentType: isEvent ? EVENT_CONTENT_TYPE : 'application/json', value }
}

/** The whole as one, where its first line is no whole object. */
function* bodiesIn(text: Buffer): Generator<{ line: number; body: Buffer }> {
  const whole = text.subarray(text.indexOf(BYTE_ORDER_MARK) === 0 ? BYTE_ORDER_MARK.length : 0)
  const lines = linesIn(whole).filter(({ body }) => body.length > 0)
  const [first] = lines
  if (first === undefined) return
  const isObject = /^\{[\s\S]*\}$/.test(first.body.toString('latin1'))
  if (isObject) yield* lines
  else yield { line: first.line, body: trimmed(whole) }
}

function linesIn(text: Buffer): { line: number; body: Buffer }[] {
  const lines: { line: number; body: Buffer }[] = []
  for (let from = 0; from < text.length; ) {
    const end = text.indexOf(NEWLINE, from)
    const to = end < 0 ? text.length : end
    lines.push({ line: lines.length + 1, body: trimmed(text.subarray(from, to)) })
    from = to + 1
  }
  return lines
}

function trimmed(bytes: Buffer): Buffer {
  const isSpace = (byte: number | undefined) =>
    byte === 0x20 || byte === 0x09 || byte === 0x0d || byte === NEWLINE
  let from = 0
  let to = bytes.length
  while (from < to && isSpace(bytes[from])) from += 1
  while (to > from && isSpace(bytes[to - 1])) to -= 1
  return bytes.subarray(from, to)
}
