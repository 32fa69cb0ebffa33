import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Findings } from '../../src/contracts/fault.ts'
import { readJson } from '../../src/contracts/json-reader.ts'
import { MAX_JSON_DEPTH, parseStrictJson } from '../../src/contracts/strict-json.ts'

const parse = (text: string) => parseStrictJson(Buffer.from(text))

function faultsOf(text: string) {
  const result = parse(text)
  return result.ok ? [] : plain(result.reading.findings)
}

/** The faults with the whole of their paths, which only a published one hides. */
function plain({ told }: Findings) {
  return told.map(({ path, message }) => ({
    path: path.map((step) => (typeof step === 'object' ? step.name : step)).join('.'),
    message,
  }))
}

function nested(levels: number): string {
  return '['.repeat(levels) + ']'.repeat(levels)
}

describe('agrees with JSON.parse', () => {
  test('on every value that JSON can write', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(undefined, 1, '\t'), (value, space) => {
        fc.pre(!JSON.stringify(value).includes('\\u0000'))
        expect(parse(JSON.stringify(value, null, space))).toEqual({
          ok: true,
          value: JSON.parse(JSON.stringify(value)),
        })
      }),
    )
  })

  test('on which texts are JSON at all, after any damage', () => {
    fc.assert(
      fc.property(
        fc.json({ maxDepth: 4 }),
        fc.nat(),
        fc.constantFrom(
          '',
          '"',
          ',',
          ':',
          '{',
          '}',
          '[',
          ']',
          '\\',
          '0',
          '-',
          '.',
          'e',
          't',
          ' ',
          '\u0001',
          'ü',
        ),
        fc.boolean(),
        (text, place, inserted, overwrite) => {
          const at = place % (text.length + 1)
          const damaged = text.slice(0, at) + inserted + text.slice(overwrite ? at + 1 : at)
          const broken = plain(readJson(damaged, 64).findings).some(({ message }) =>
            message.startsWith('expected'),
          )
          expect(broken).toBe(!isJson(damaged))
        },
      ),
      { numRuns: 3000 },
    )
  })

  test.each([
    '1',
    '-0',
    '1.5e-3',
    '"x"',
    'true',
    'null',
    ' [ ] ',
    '{"a":{}}',
    '[-1]',
    '"\\u00e9\\n\\/"',
    '"\u007f"',
  ])('on %s', (text) => expect(parse(text)).toEqual({ ok: true, value: JSON.parse(text) }))
})

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

describe('duplicate keys', () => {
  test('any duplicate is found, at its path, however it is written', () => {
    fc.assert(
      fc.property(
        fc.array(fc.stringMatching(/^[a-z]{1,3}$/), { maxLength: 4 }),
        fc.stringMatching(/^[a-z]{1,3}$/),
        (path, key) => {
          const escaped = `\\u00${key.charCodeAt(0).toString(16)}${key.slice(1)}`
          const inner = `{"${key}":1,"other-key":"\\\\","${escaped}":[]}`
          const text = path.reduceRight((value, name) => `[{"${name}":${value}}]`, inner)
          const at = [...path.flatMap((name) => ['0', name]), key].join('.')
          expect(faultsOf(text)).toEqual([{ path: at, message: 'duplicate key' }])
        },
      ),
    )
  })

  test.each([
    ['{"a":1,"a":1}', ['a']],
    ['{"a":{"b":1},"c":{"b":1}}', []],
    ['{"a":"{\\"a\\":1,\\"a\\":2}"}', []],
    ['{"a":":::","b":"\\\\"}', []],
    ['{"__proto__":1,"__proto__":2}', ['__proto__']],
    ['{"1":1,"1":2,"1":3}', ['1', '1']],
    ['[{"a":0},{"a":0,"b":1,"b":2}]', ['1.b']],
    ['{"":1,"":2}', ['']],
  ])('%s', (text, paths) => {
    expect(faultsOf(text).map(({ path }) => path)).toEqual(paths)
  })
})

describe('what is refused beside broken JSON', () => {
  test.each([
    ['an empty body', Buffer.alloc(0), 'the body is empty'],
    ['bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0x22]), 'the body is not UTF-8'],
    ['a surrogate in UTF-8', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), 'the body is not UTF-8'],
    ['an overlong encoding', Buffer.from([0x22, 0xc0, 0x80, 0x22]), 'the body is not UTF-8'],
    ['a byte order mark', Buffer.from('\ufeff{}'), 'the body begins with a byte order mark'],
  ])('%s', (_, body, message) => {
    expect(parseStrictJson(body)).toMatchObject({
      ok: false,
      reading: { malformed: true, findings: { told: [{ path: [], message }] } },
    })
  })

  test.each([
    ['{"a":["\\u0000"]}', 'a.0', 'contains a NUL character', false],
    ['{"a\\u0000":1}', 'a\0', 'contains a NUL character', false],
    ['{"a":"\\ud800"}', 'a', 'contains a lone surrogate', true],
    ['{"a":"\\udc00\\ud800"}', 'a', 'contains a lone surrogate', true],
    ['{"a":{"\\ud800":1}}', 'a.\ud800', 'contains a lone surrogate', true],
  ])('%s', (text, path, message, malformed) => {
    expect(parse(text)).toMatchObject({ ok: false, reading: { malformed } })
    expect(faultsOf(text)).toEqual([{ path, message }])
  })

  test('an escaped pair of surrogates is a character like any other', () => {
    expect(parse('"\\ud83d\\ude00"')).toEqual({ ok: true, value: '\u{1f600}' })
  })

  test('one level too many, and any number of levels', () => {
    expect(parse(nested(MAX_JSON_DEPTH)).ok).toBe(true)
    const path = Array(MAX_JSON_DEPTH).fill('0').join('.')
    const fault = { path, message: `more than ${MAX_JSON_DEPTH} levels` }
    expect(faultsOf(nested(MAX_JSON_DEPTH + 1))).toEqual([fault])
    expect(faultsOf(nested(1_000_000))).toEqual([fault])
    expect(faultsOf('['.repeat(1_000_000))).toEqual([fault])
    expect(faultsOf('{"a":'.repeat(1_000_000))).toMatchObject([{ message: fault.message }])
  })
})

describe('faults of syntax', () => {
  test.each([
    ['{"a":1,}', '', 'expected a key in double quotes at line 1, column 8'],
    ['{"a":1\n  "b":2}', '', "expected ',' or '}' at line 2, column 3"],
    ['{"a":[1,2', 'a', "expected ',' or ']' at line 1, column 10"],
    ['{"a" 1}', '', "expected ':' at line 1, column 6"],
    ['{} {}', '', 'expected the end of the body at line 1, column 4'],
    ['{"a":01}', '', 'expected a value at line 1, column 6'],
    ["{'a':1}", '', "expected a key in double quotes or '}' at line 1, column 2"],
    ['   ', '', 'expected a value at line 1, column 4'],
    ['{"a":{"b":NaN}}', 'a', 'expected a value at line 1, column 11'],
    ['{"a":"tab\tinside"}', '', 'expected a value at line 1, column 6'],
  ])('%s is told at what it is in', (text, path, message) => {
    expect(faultsOf(text)).toEqual([{ path, message }])
  })

  test('no fault quotes the text around it', () => {
    const { findings } = readJson('{"password":"Secr"et-Pa55word"}', 32)
    expect(JSON.stringify(findings)).not.toMatch(/et-Pa55|Secr/)
  })
})
