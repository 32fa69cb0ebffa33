import { hash } from 'node:crypto'
import { v7 } from 'uuid'
import { drawRandomBytes } from './random-bytes.ts'

const MAX_SEQUENCE = 2 ** 32 - 1

let millisecond = Number.NEGATIVE_INFINITY
let sequence = 0

/** Less than every other. */
export const NIL_UUID = '00000000-0000-0000-0000-000000000000'

/** A UUIDv7, greater than all this process has made before (RFC 9562, method 1: a 32-bit counter). */
export function newUuid(): string {
  const random = drawRandomBytes(16)
  const now = Date.now()
  if (now > millisecond) {
    millisecond = now
    // The upper half stays free to be counted through.
    sequence = random.readUInt32BE(0) >>> 1
  } else if (sequence < MAX_SEQUENCE) {
    sequence += 1
  } else {
    millisecond += 1
    sequence = 0
  }
  return v7({ random, msecs: millisecond, seq: sequence })
}

/** The least UUID of this time (milliseconds since 1970, not below 0): every UUIDv7 made from then on is greater. */
export function uuidAt(milliseconds: number): string {
  const hex = Math.max(0, Math.floor(milliseconds)).toString(16).padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`
}

/** The UUIDv8 of a name: always the same for the same name (RFC 9562, 5.8; made like B.2 from SHA-256). */
export function hashedUuid(name: string): string {
  const hex = hash('sha256', name, 'hex')
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 0x3) | 0x8).toString(16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
