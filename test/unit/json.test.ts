import { globSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { toJson } from '../../src/database/json.ts'

const storable = (text: string) => text.toWellFormed().replaceAll('\0', '\ufffd')
const unit = fc.constantFrom('\0', '\ud800', '\udfff', '\\', 'u', '0', '"', 'd', 'a', '\u{1f600}')
const text = fc.string({ unit, maxLength: 12 })

test('a parameter holds the text as it is, but for what PostgreSQL cannot store', () => {
  fc.assert(
    fc.property(text, text, (key, value) => {
      const json = toJson([{ [key]: value, body: JSON.stringify(value) }])
      const expected = { [storable(key)]: storable(value), body: JSON.stringify(value) }
      expect(JSON.parse(json)).toEqual([expected])
    }),
  )
})

test('no statement takes JSON in another way', () => {
  const others = globSync('src/**/*.sql.ts').filter((path) =>
    readFileSync(path, 'utf8').includes('JSON.stringify('),
  )
  expect(others).toEqual([])
})
