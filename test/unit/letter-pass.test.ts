import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createLetterPass } from '../../src/operations/letter-pass.ts'

const BEGAN = new Date('2026-11-23T12:00:00Z')
const CODE = 'delivery_limit'

const letter = (code: string, { redelivered = false, at = new Date(0) } = {}) => ({
  headers: { 'x-rejection-code': code, 'x-rejected-at': at.toISOString() },
  redelivered,
})

const codes = fc.array(fc.constantFrom(CODE, 'invalid_json'), { minLength: 1, maxLength: 40 })

describe('a pass over the letters', () => {
  test('replays those of the code, as many as are asked for, and ends with the last one there was', () => {
    fc.assert(
      fc.property(codes, fc.integer({ min: 1, max: 50 }), codes, (queue, max, later) => {
        const pass = createLetterPass({ length: queue.length, max, code: CODE, resumedRun: null })
        const wanted = queue.filter((code) => pass.wants(letter(code)))
        const there = queue.filter((code) => code === CODE).length
        expect(wanted).toHaveLength(Math.min(max, there))
        expect(wanted.every((code) => code === CODE)).toBe(true)
        expect(pass.isOver()).toBe(true)
        expect(later.some((code) => pass.wants(letter(code)))).toBe(false)
      }),
    )
  })

  test('does not end before it has seen as many letters for the first time', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 40 }), (again) => {
        const length = again.filter((redelivered) => !redelivered).length + 1
        const pass = createLetterPass({ length, max: 100, code: CODE, resumedRun: null })
        for (const redelivered of again) pass.wants(letter('invalid_json', { redelivered }))
        expect(pass.isOver()).toBe(false)
        pass.wants(letter('invalid_json'))
        expect(pass.isOver()).toBe(true)
      }),
    )
  })

  test('of a run that goes on leaves what was rejected since it began', () => {
    const late = letter(CODE, { at: BEGAN })
    const pass = (resumedRun: Date | null) => createLetterPass({ length: 9, max: 9, code: CODE, resumedRun })
    expect(pass(BEGAN).wants(late)).toBe(false)
    expect(pass(BEGAN).wants(letter(CODE, { at: new Date(BEGAN.getTime() - 1) }))).toBe(true)
    // Clocks differ: at first the length of the queue says it.
    expect(pass(null).wants(late)).toBe(true)
  })

  test('of a run that goes on counts letters that were in hand only where they are new', () => {
    const pass = createLetterPass({ length: 9, max: 2, code: CODE, resumedRun: BEGAN })
    const again = letter(CODE, { redelivered: true })
    for (const [marked, kind] of [
      [true, 'copy'],
      [undefined, 'unsure'],
      [false, 'new'],
    ] as const) {
      expect(pass.wants(again)).toBe(true)
      expect(pass.replayed(again, marked)).toBe(kind)
    }
    expect(pass.isOver()).toBe(false)
    expect(pass.wants(letter(CODE))).toBe(true)
    expect(pass.isOver()).toBe(true)
  })
})
