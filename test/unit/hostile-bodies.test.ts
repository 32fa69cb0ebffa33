import { expect, test } from 'vitest'
import { hostileBodies, mixedBodies } from '../../dev/bench/hostile-bodies.ts'
import { createSeededRandom } from '../../dev/seeded-random.ts'
import { MAX_BODY_BYTES, parseRequestMessage } from '../../src/contracts/request-message.ts'

const bodies = [...hostileBodies(MAX_BODY_BYTES), ...mixedBodies(MAX_BODY_BYTES, 40, createSeededRandom(1))]

test('hostile bodies fill what a message may have, beside JSON of the same size', () => {
  for (const { name, text, valid } of bodies) {
    expect(Buffer.byteLength(text), name).toBeLessThanOrEqual(MAX_BODY_BYTES)
    expect(Buffer.byteLength(text), name).toBeGreaterThan(0.9 * MAX_BODY_BYTES)
    expect(() => JSON.parse(valid), name).not.toThrow()
  }
  expect(new Set(bodies.map(({ name }) => name)).size).toBe(bodies.length)
})

test('what a rejection tells of them is bounded', () => {
  for (const { name, text, contentType } of bodies) {
    const result = parseRequestMessage({ body: Buffer.from(text), contentType, messageId: undefined })
    if (result.ok) continue
    expect(result.detail.length, name).toBeGreaterThan(0)
    expect(result.detail.length, name).toBeLessThanOrEqual(51)
    expect(Buffer.byteLength(JSON.stringify(result.detail)), name).toBeLessThan(9000)
    expect(JSON.stringify(result), name).not.toContain('Sup3r')
  }
})
