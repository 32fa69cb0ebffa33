import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { tracesOf } from '../leaks.ts'

const secrets = ['Canary9-abc-001', 'Canary9-abc-002', 'Canary9-abd-003']
const found = (text: string, among: readonly string[] = secrets) =>
  tracesOf(among).some((trace) => text.includes(trace.text))

describe('traces of passwords', () => {
  it('are found whatever stands around them, also in base64 and hex', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...secrets),
        fc.string({ maxLength: 20 }),
        fc.string({ maxLength: 20 }),
        (secret, before, after) => {
          const text = Buffer.from(`${before}${secret}${after}`)
          expect(found(text.toString())).toBe(true)
          expect(found(text.toString('hex'))).toBe(true)
          expect(found(text.toString('base64'))).toBe(true)
        },
      ),
    )
  })

  it('are looked for one by one when the passwords have nothing in common', () => {
    expect(found('x pa$$word-1 x', ['pa$$word-1', 'S0mething-else'])).toBe(true)
    expect(found('x pa$$word-3 x', ['pa$$word-1', 'S0mething-else'])).toBe(false)
  })

  it('are not found where there are none', () => {
    expect(found('{"level":30,"msg":"password sealed","canary":9}')).toBe(false)
  })
})
