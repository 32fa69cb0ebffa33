import { wireNameOf } from './content-header.ts'
import { fieldBytes } from './encoded-size.ts'
import type { Delivery, MessageProperties } from './message.ts'

/** The queue adds them to a delivery; they are not the sender's. */
const OF_THE_QUEUE = new Set(['x-delivery-count', 'x-acquired-count'])

/**
 * What a copy must not carry: after its `expiration` the broker would delete it, the `user_id` must be that of
 * the connection, the `cluster_id` means nothing, and `CC` and `BCC` would route it to further queues.
 */
const PROPERTIES_NOT_COPIED = new Set(['expiration', 'userId', 'clusterId'])
const HEADERS_NOT_COPIED = new Set(['CC', 'BCC'])

export interface Copy {
  properties: MessageProperties
  /** The sender's properties and headers that are not among them, by name: `timestamp`, `headers.foo`. */
  leftOut: string[]
}

/**
 * The properties with which a received message may be published again, e.g. as a dead letter: as they came, without
 * what could not be read exactly, what would harm the copy, headers for which `headerBytes` leave no room, and headers
 * named in `replaced`, for which the caller has others.
 */
export function copyProperties(
  { properties, unreadable }: Pick<Delivery, 'properties' | 'unreadable'>,
  { headerBytes, replaced }: { headerBytes: number; replaced: ReadonlySet<string> },
): Copy {
  const leftOut = [...unreadable]
  const { headers = {}, ...others } = properties
  const kept = Object.entries(others).filter(([name, value]) => {
    const wireName = wireNameOf(name)
    if (value === undefined || unreadable.includes(wireName)) return false
    if (PROPERTIES_NOT_COPIED.has(name)) leftOut.push(wireName)
    return !PROPERTIES_NOT_COPIED.has(name)
  })

  const fitting = new Set<string>()
  let room = headerBytes
  const own = Object.entries(headers).filter(([name]) => !OF_THE_QUEUE.has(name) && !replaced.has(name))
  const sizes = own.map(([name, value]) => ({ name, bytes: fieldBytes(name, value) }))
  // The small ones first, so that one large header displaces no other.
  for (const { name, bytes } of sizes.toSorted((a, b) => a.bytes - b.bytes)) {
    if (HEADERS_NOT_COPIED.has(name) || bytes > room) {
      leftOut.push(`headers.${name}`)
    } else {
      room -= bytes
      fitting.add(name)
    }
  }
  const copied = own.filter(([name]) => fitting.has(name))
  return {
    properties: { ...Object.fromEntries(kept), headers: Object.fromEntries(copied) },
    leftOut,
  }
}
