import { randomFillSync } from 'node:crypto'

const POOL_BYTES = 4096

const pool = Buffer.alloc(POOL_BYTES)
let used = POOL_BYTES

/**
 * Up to 4096 cryptographically random bytes out of a pool, since one draw from the system costs as much as a pool of
 * them. Each byte is given out once; the buffer is good until the next call.
 */
export function drawRandomBytes(count: number): Buffer {
  if (used + count > POOL_BYTES) {
    randomFillSync(pool)
    used = 0
  }
  used += count
  return pool.subarray(used - count, used)
}
