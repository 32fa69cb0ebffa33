import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { difference } from '../changes-section.js'
import { duration, localTime } from '../duration.js'
import { parseRoute, projectLink, requestLink } from '../route.js'

describe('a length of time', () => {
  test.each([
    [-5, 'a moment'],
    [999, 'a moment'],
    [12_000, '12 s'],
    [59_999, '59 s'],
    [180_000, '3 min'],
    [7_500_000, '2 h 5 min'],
    [7_200_000, '2 h'],
    [352_800_000, '4 d 2 h'],
  ])('of %i ms reads %s', (milliseconds, text) => {
    expect(duration(milliseconds)).toBe(text)
  })
})

describe('a time in a form', () => {
  const CENTURY = { min: new Date('2000-01-01'), max: new Date('2099-12-31') }

  test('is the local one, to the minute', () => {
    fc.assert(
      fc.property(fc.date({ ...CENTURY, noInvalidDate: true }), (time) => {
        const text = localTime(time.getTime())
        const [date = '', clock = ''] = text.split('T')
        expect(date.split('-').map(Number)).toEqual([time.getFullYear(), time.getMonth() + 1, time.getDate()])
        expect(clock.split(':').map(Number)).toEqual([time.getHours(), time.getMinutes()])
        expect(text).toHaveLength('2026-11-26T12:00'.length)
      }),
    )
  })

  test('is empty for what is no time', () => {
    expect(localTime(Number.NaN)).toBe('')
  })
})

describe('an address of the page', () => {
  test('says again what it was made of', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, unit: 'grapheme' }),
        fc.string({ minLength: 1, unit: 'grapheme' }),
        (project, value) => {
          expect(parseRoute(projectLink(project, { error_code: value }), 0)).toEqual({
            path: ['project', project],
            query: { error_code: value },
            at: 0,
          })
          expect(parseRoute(requestLink(project, value), 0).path).toEqual([
            'project',
            project,
            'request',
            value,
          ])
        },
      ),
    )
  })

  test('that was typed by hand leads somewhere, whatever it is', () => {
    fc.assert(fc.property(fc.string(), (hash) => void parseRoute(`#${hash}`)))
  })
})

describe('the difference that a change made', () => {
  test('names what is other than before', () => {
    const before = { per_second: 5, burst: 10 }
    expect(difference(before, { per_second: 2, burst: 10 })).toBe(' per_second 5 → 2')
    expect(difference(before, null)).toBe(' per_second 5 → none, burst 10 → none')
    expect(difference(null, { adopted: ['i-1'] })).toBe(' adopted ["i-1"]')
    expect(difference(null, null)).toBe('')
  })
})
