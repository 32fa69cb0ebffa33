import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createSealer, parseSecretKeys, SealError } from '../../src/secrets/seal.ts'

const key = (id: string) => ({ id, key: randomBytes(32) })
const text = fc.string({ unit: 'grapheme', maxLength: 40 })

function reasonOf(open: () => string): string {
  try {
    return `opened ${open()}`
  } catch (error) {
    return error instanceof SealError ? error.reason : `threw ${error}`
  }
}

describe('a sealer', () => {
  test('opens what it sealed, and only in the same context', () => {
    const sealer = createSealer([key('k1')])
    fc.assert(
      fc.property(text, text, text, (secret, context, other) => {
        const envelope = sealer.seal(secret, context)
        expect(sealer.open(envelope, context)).toBe(secret)
        expect(sealer.open(new Uint8Array(envelope), context)).toBe(secret)
        fc.pre(Buffer.from(other).compare(Buffer.from(context)) !== 0)
        expect(reasonOf(() => sealer.open(envelope, other))).toBe('tampered')
      }),
    )
  })

  test('notices every changed bit and every cut', () => {
    const sealer = createSealer([key('k1')])
    const envelope = sealer.seal('secret', 'p/r')
    for (let bit = 0; bit < envelope.length * 8; bit += 1) {
      const changed = Buffer.from(envelope)
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(['tampered', 'unknown_key']).toContain(reasonOf(() => sealer.open(changed, 'p/r')))
    }
    for (let length = 0; length < envelope.length; length += 1) {
      const cut = envelope.subarray(0, length)
      expect(['tampered', 'unknown_key']).toContain(reasonOf(() => sealer.open(cut, 'p/r')))
    }
  })

  test('opens with any key that is still configured and seals with the first', () => {
    const [old, fresh] = [key('2025'), key('2026')]
    const envelope = createSealer([old]).seal('secret', 'p/r')
    expect(createSealer([fresh, old]).open(envelope, 'p/r')).toBe('secret')
    expect(reasonOf(() => createSealer([fresh]).open(envelope, 'p/r'))).toBe('unknown_key')
    const resealed = createSealer([fresh, old]).seal('secret', 'p/r')
    expect(createSealer([fresh]).open(resealed, 'p/r')).toBe('secret')
  })

  test('never uses a nonce twice, nor shows the plaintext', () => {
    const sealer = createSealer([key('k1')])
    const envelopes = Array.from({ length: 1000 }, () => sealer.seal('secret', 'p/r'))
    expect(new Set(envelopes.map((envelope) => envelope.toString('hex', 4, 16))).size).toBe(1000)
    expect(envelopes.some((envelope) => envelope.includes('secret'))).toBe(false)
  })
})

describe('parseSecretKeys', () => {
  const encoded = randomBytes(32).toString('base64')

  test('reads ids and keys, with white space around entries and with or without padding', () => {
    const other = randomBytes(32).toString('base64')
    const keys = parseSecretKeys(` k-1:${encoded} ,\n2026.a:${other.slice(0, -1)}\n`)
    expect(keys.map(({ id, key }) => [id, key.toString('base64')])).toEqual([
      ['k-1', encoded],
      ['2026.a', other],
    ])
  })

  test.each([
    ['', 'entry 1: must have the form id:base64'],
    [encoded, 'entry 1: must have the form id:base64'],
    [`k:${encoded},`, 'entry 2: must have the form id:base64'],
    [`:${encoded}`, 'entry 1: its id must have'],
    [`a b:${encoded}`, 'entry 1: its id must have'],
    [`${'x'.repeat(33)}:${encoded}`, 'entry 1: its id must have'],
    [`k:${encoded}:x`, 'entry 1: must have the form id:base64'],
    [`k:${randomBytes(16).toString('base64')}`, 'entry 1: its key must be 32 bytes in base64'],
    [`k:${randomBytes(33).toString('base64')}`, 'entry 1: its key must be 32 bytes in base64'],
    [`k:${encoded.replace(/.$/, '*')}`, 'entry 1: its key must be 32 bytes in base64'],
    [`k:${encoded},k:${encoded}`, 'entry 2: its id has been used before'],
    [`a b:${encoded},k:x`, 'entry 2: its key must be'],
  ])('names the fault of entry list %#', (list, fault) => {
    expect(() => parseSecretKeys(list)).toThrow(fault)
  })

  test('shows no part of a faulty list', () => {
    for (const list of [encoded, `${encoded}:k`, `k:${encoded}x`, `k:${encoded},k:${encoded}`]) {
      expect(() => parseSecretKeys(list)).toThrow(
        expect.not.objectContaining({ message: expect.stringContaining(encoded.slice(0, 6)) }),
      )
    }
  })
})
