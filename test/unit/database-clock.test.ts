import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createDatabaseClock } from '../../src/budget/database-clock.ts'

/** Answers of a database whose clock stands `offset` behind the own one. */
const answers = fc.array(
  fc.record({
    waitMs: fc.integer({ min: 0, max: 8000 }),
    outMs: fc.double({ min: 0, max: 50, noNaN: true }),
    backMs: fc.double({ min: 0, max: 50, noNaN: true }),
  }),
  { minLength: 1, maxLength: 40 },
)

describe('the clock of the database', () => {
  test('is known to within every answer of the last seconds', () => {
    fc.assert(
      fc.property(answers, fc.double({ min: -1e6, max: 1e6, noNaN: true }), (seen, offset) => {
        const clock = createDatabaseClock()
        let at = 0
        for (const { waitMs, outMs, backMs } of seen) {
          const sentAt = at + waitMs
          const databaseMs = sentAt + outMs - offset
          at = sentAt + outMs + backMs
          clock.observe({ sentAt, receivedAt: at, databaseMs })
          const { earliest, latest } = clock.locate(databaseMs)
          const truth = databaseMs + offset
          expect(earliest).toBeLessThanOrEqual(truth + 1e-6)
          expect(latest).toBeGreaterThanOrEqual(truth - 1e-6)
          expect(latest - earliest).toBeLessThanOrEqual(outMs + backMs + 1e-6)
        }
      }),
    )
  })

  test('is known anew from the next answer when it was set', () => {
    for (const step of [-5000, 5000]) {
      const clock = createDatabaseClock()
      clock.observe({ sentAt: 0, receivedAt: 2, databaseMs: 1000 })
      clock.observe({ sentAt: 100, receivedAt: 104, databaseMs: 1102 + step })
      expect(clock.locate(1102 + step)).toEqual({ earliest: 100, latest: 104 })
    }
  })

  test('forgets answers that are long ago', () => {
    const clock = createDatabaseClock()
    clock.observe({ sentAt: 0, receivedAt: 1, databaseMs: 0 })
    clock.observe({ sentAt: 25_000, receivedAt: 25_100, databaseMs: 25_050 })
    expect(clock.locate(25_050)).toEqual({ earliest: 25_000, latest: 25_100 })
  })
})
