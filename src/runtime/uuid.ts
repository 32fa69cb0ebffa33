import { v7 } from 'uuid'
import { drawRandomBytes } from './random-bytes.ts'

const MAX_SEQUENCE = 2 ** 32 - 1

let millisecond = Number.NEGATIVE_INFINITY
let sequence = 0

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
