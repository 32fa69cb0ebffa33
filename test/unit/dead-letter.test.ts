import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readProperties } from '../../src/amqp/content-header.ts'
import { contentHeaderBytes } from '../../src/amqp/encoded-size.ts'
import type { MessageProperties } from '../../src/amqp/message.ts'
import { toBareDeadLetter, toDeadLetter } from '../../src/intake/dead-letter.ts'
import { propertyBytes, shortstr, table, text, uint } from '../support/amqp-bytes.ts'
import { encodedByAmqplib } from '../support/amqplib-encoding.ts'
import { anyProperties } from '../support/hostile-properties.ts'
import { buildDelivery } from '../support/intake-harness.ts'

const AT = new Date('2026-11-23T12:00:00Z')
const REASON = { code: 'invalid_json', detail: [{ path: 'a', message: 'b' }], at: AT } as const
const SMALLEST_FRAME = 4096

function deliveryOf(sent: Parameters<typeof propertyBytes>[0]) {
  const { unreadable, ...properties } = readProperties(propertyBytes(sent))
  return { delivery: { ...buildDelivery('body', { properties }), unreadable }, altered: [] }
}

const alteredOf = ({ properties: { headers = {} } }: { properties: MessageProperties }): string[] =>
  JSON.parse(String(headers['x-rejection-altered'] ?? '[]'))

describe('a dead letter', () => {
  test('names what it could not carry', () => {
    const sent = {
      contentType: shortstr(Buffer.alloc(255, 0xff)),
      messageId: shortstr('m-1'),
      timestamp: uint(2n ** 64n - 1n, 8),
      expiration: shortstr('60000'),
      headers: table([
        ['foo', text(Buffer.from([0xff]))],
        ['bar', text('kept')],
        ['large', text('x'.repeat(80_000))],
        ['x-rejection-code', text('of an earlier letter')],
      ]),
    }
    const letter = toDeadLetter(deliveryOf(sent), REASON)
    expect(letter.properties).toEqual({
      messageId: 'm-1',
      headers: {
        bar: 'kept',
        'x-rejection-code': 'invalid_json',
        'x-rejection-detail': '[{"path":"a","message":"b"}]',
        'x-rejected-at': AT.toISOString(),
        'x-rejection-altered': expect.any(String),
      },
    })
    const altered = ['content_type', 'timestamp', 'headers.foo', 'expiration', 'headers.large']
    expect(alteredOf(letter).toSorted()).toEqual(altered.toSorted())
  })

  test('names headers in one word where their names are too many', () => {
    const pairs = Array.from({ length: 2000 }, (_, n) => [`name-${n}`, text(Buffer.from([0xff]))] as const)
    const letter = toDeadLetter(deliveryOf({ type: shortstr('\xff'), headers: table(pairs) }), REASON)
    expect(alteredOf(letter)).toEqual(['headers'])
  })

  const detail = fc.array(
    fc.record({ path: fc.string({ unit: 'binary', maxLength: 200 }), message: fc.string() }),
    { maxLength: 50 },
  )

  test('is sent whatever the sender said, and loses nothing in silence', () => {
    fc.assert(
      fc.property(anyProperties, detail, (sent, faults) => {
        const delivery = deliveryOf(sent)
        const letter = toDeadLetter(delivery, { ...REASON, detail: faults })
        expect(encodedByAmqplib(letter).length).toBeLessThan(64 * 1024)
        const altered = alteredOf(letter)
        const carried = Object.keys(letter.properties).length
        const own = altered.filter((name) => !name.startsWith('headers')).length
        expect(carried + own).toBe(new Set([...Object.keys(sent), 'headers']).size)
      }),
    )
  })

  test('that is bare fits into the smallest frame, and names all there was', () => {
    fc.assert(
      fc.property(anyProperties, detail, (sent, faults) => {
        const letter = toBareDeadLetter(deliveryOf(sent), { ...REASON, detail: faults })
        expect(contentHeaderBytes(letter.properties)).toBeLessThan(SMALLEST_FRAME)
        expect(encodedByAmqplib(letter).length).toBeLessThan(SMALLEST_FRAME)
        expect(alteredOf(letter)).toHaveLength(Object.keys(sent).length)
      }),
    )
  })
})
