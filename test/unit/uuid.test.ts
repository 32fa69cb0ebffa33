import { validate, version } from 'uuid'
import { expect, it } from 'vitest'
import { drawRandomBytes } from '../../src/runtime/random-bytes.ts'
import { newUuid } from '../../src/runtime/uuid.ts'

it('each UUIDv7 is greater than the one before', () => {
  const made = Array.from({ length: 20_000 }, () => newUuid())
  expect(made.every((id) => validate(id) && version(id) === 7)).toBe(true)
  expect(made.toSorted()).toEqual(made)
  expect(new Set(made).size).toBe(made.length)
})

it('a UUIDv7 begins with the time of its making', () => {
  const before = Date.now()
  const at = Number.parseInt(newUuid().replace('-', '').slice(0, 12), 16)
  // Later than the clock only after more ids in one millisecond than the counter holds.
  expect(at).toBeGreaterThanOrEqual(before)
  expect(at).toBeLessThanOrEqual(Date.now())
})

it('random bytes are never given out twice', () => {
  const draws = Array.from({ length: 5000 }, () => drawRandomBytes(12).toString('hex'))
  expect(new Set(draws).size).toBe(draws.length)
  expect(draws.every((draw) => draw.length === 24)).toBe(true)
})
