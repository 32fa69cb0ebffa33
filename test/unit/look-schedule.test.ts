import fc from 'fast-check'
import { expect, test } from 'vitest'
import { addLook, readEvidence } from '../../src/attempt/look-evidence.ts'
import { firstLookMs, lookGapMs } from '../../src/attempt/look-schedule.ts'

/** The ages at which looks begin when nothing else delays them. */
function looksUntil(endMs: number, settleMs: number): number[] {
  const ages: number[] = []
  for (let age = firstLookMs(settleMs); age <= endMs; age += lookGapMs(age, settleMs)) ages.push(age)
  return ages
}

test('looks soon, then more rarely, and right after the settling time', () => {
  expect(looksUntil(62_000, 60_000)).toEqual([1000, 2000, 4000, 8000, 16_000, 31_000, 46_000, 60_020, 61_020])
})

test('a short settling time has a look of its own too', () => {
  expect(looksUntil(500, 400)).toEqual([100, 200, 300, 420])
})

test('there are always two looks before an absence can be believed, and one within a second of the settling time', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3_600_000 }), (settleMs) => {
      const ages = looksUntil(settleMs + firstLookMs(settleMs) + 20, settleMs)
      const after = ages.filter((age) => age >= settleMs)
      expect(ages.length).toBeGreaterThanOrEqual(2)
      expect(after[0]).toBeLessThanOrEqual(settleMs + firstLookMs(settleMs) + 20)
    }),
  )
})

test('the listing that is to agree with the first one after an outage comes soon after it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1e9 }), fc.integer({ min: 1, max: 600_000 }), (late, settleMs) => {
      expect(lookGapMs(settleMs + late, settleMs)).toBe(firstLookMs(settleMs))
    }),
  )
})

test('the next look is always ahead, and never further than ten minutes', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 1e9, noNaN: true }),
      fc.integer({ min: 1, max: 600_000 }),
      fc.boolean(),
      (ageMs, settleMs, manual) => {
        const gap = lookGapMs(ageMs, settleMs, { manual })
        expect(gap).toBeGreaterThan(0)
        expect(gap).toBeLessThanOrEqual(600_000)
      },
    ),
  )
})

test('evidence keeps why the outcome was unknown, and the last looks', () => {
  const reason = { http_status: 504, error_code: 'APIGW.0201' }
  let evidence: unknown = reason
  for (let n = 1; n <= 50; n += 1) {
    evidence = addLook(evidence, { at: 'now', after_ms: n, listed: 7, found: 1 }, { found: ['a'], agreed: n })
  }
  expect(evidence).toMatchObject({ ...reason, reconciling: { look_count: 50, found: ['a'], agreed: 50 } })
  const { looks } = (evidence as { reconciling: { looks: { after_ms: number }[] } }).reconciling
  expect(looks.map((look) => look.after_ms)).toEqual(Array.from({ length: 20 }, (_, n) => n + 31))
  expect(readEvidence(evidence)).toEqual({ found: ['a'], agreed: 50, alarmed: false })
})

test('looks that fail in the same way are told once, with their number', () => {
  let evidence: unknown = null
  for (let n = 1; n <= 5; n += 1)
    evidence = addLook(evidence, { at: 'now', after_ms: n, error: 'ECONNREFUSED' })
  expect(evidence).toEqual({
    reconciling: {
      found: [],
      agreed: 0,
      looks: [{ at: 'now', after_ms: 5, error: 'ECONNREFUSED', times: 5 }],
      look_count: 5,
    },
  })
})

test.each([null, undefined, 'text', [], { reconciling: 'broken' }])(
  'evidence %j has no looks',
  (evidence) => {
    expect(readEvidence(evidence)).toEqual({ found: [], agreed: 0, alarmed: false })
  },
)
