import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { readProperties } from '../../src/amqp/content-header.ts'
import { contentHeaderBytes } from '../../src/amqp/encoded-size.ts'
import { copyProperties } from '../../src/amqp/republish.ts'
import {
  array,
  field,
  longstr,
  nested,
  propertyBytes,
  shortstr,
  table,
  text,
  uint,
} from '../support/amqp-bytes.ts'
import { encodedByAmqplib } from '../support/amqplib-encoding.ts'
import { anyProperties } from '../support/hostile-properties.ts'

const noise = Buffer.alloc(255, 0xff)
const read = (properties: Parameters<typeof propertyBytes>[0]) => readProperties(propertyBytes(properties))
const readHeader = (...pairs: Parameters<typeof table>[0]) => read({ headers: table(pairs) })
const encoded = (properties: object) =>
  encodedByAmqplib({ exchange: '', routingKey: '', body: '', properties })

describe('received properties', () => {
  it('are read as they were sent', () => {
    const properties = {
      contentType: 'application/json',
      deliveryMode: 2,
      priority: 255,
      correlationId: 'größe \ufffd',
      messageId: 'm',
      timestamp: 1_700_000_000,
      appId: 'shop',
      headers: { one: 1, list: [true, null, 'x', { half: 0.5 }], raw: Buffer.from([0, 255]), big: 2 ** 40 },
    }
    expect(readProperties(encoded(properties))).toEqual({ ...properties, unreadable: [] })
  })

  it('without any are empty', () => {
    expect(read({})).toEqual({ unreadable: [] })
  })

  it.each([
    ['content_type', { contentType: shortstr(noise) }],
    ['correlation_id', { correlationId: shortstr(noise) }],
    ['cluster_id', { clusterId: shortstr(Buffer.from([0x61, 0xc0])) }],
    ['timestamp', { timestamp: uint(2n ** 64n - 1n, 8) }],
    ['properties', { headers: Buffer.concat([uint(500, 4), noise]) }],
    ['headers', { headers: longstr(noise) }],
    ['headers', { headers: table([['unknown type', field('Z', uint(1, 8))]]) }],
    ['headers.a', { headers: table([['a', text(noise)]]) }],
    [
      'headers.a',
      {
        headers: table([
          ['a', text('one')],
          ['a', text('two')],
        ]),
      },
    ],
    ['headers.a', { headers: table([['a', nested(20_000)]]) }],
    ['headers.a', { headers: table([['a', array([field('F', table([['!', text('double')]]))])]]) }],
    ['headers.a', { headers: table([['a', field('d', Buffer.from('7ff8000000000000', 'hex'))]]) }],
    ['headers.\ufffd', { headers: table([[Buffer.from([0xff]), text('a')]]) }],
  ])('that cannot be told exactly are named: %s', (name, properties) => {
    expect(read(properties).unreadable).toEqual([name])
  })

  it('take no key for more than a key', () => {
    const { headers = {} } = readHeader(
      ['__proto__', field('F', table([['toString', text('mine')]]))],
      ['', text('empty')],
    )
    expect(Object.keys(headers)).toEqual(['__proto__', ''])
    expect(Object.getPrototypeOf(headers)).toBeNull()
  })

  it.each([
    ['64 bits', field('l', uint(2n ** 63n - 1n, 8))],
    ['a moment', field('T', uint(2n ** 64n - 1n, 8))],
    ['a decimal', field('D', uint(200, 1), uint(-1, 4))],
    ['a whole double', field('d', Buffer.from('4000000000000000', 'hex'))],
    ['a large double', field('d', Buffer.from('c4d0000000000001', 'hex'))],
    ['bytes', field('x', longstr(noise))],
    ['nothing', field('V')],
    ['a table with keys of objects', field('F', table([['__proto__', field('F', table([]))]]))],
  ])('keep what no plain number or object can hold: %s', (_, value) => {
    const headers = table([['a', value]])
    expect(encoded(read({ headers }))).toEqual(propertyBytes({ headers }))
  })

  test('whatever they are, can be published again, and read as the same', () => {
    fc.assert(
      fc.property(anyProperties, (sent) => {
        const { unreadable, ...properties } = read(sent)
        const rules = { headerBytes: 30_000, replaced: new Set<string>() }
        const copy = copyProperties({ properties, unreadable }, rules)
        const bytes = encoded(copy.properties)
        expect(bytes.length).toBeLessThan(contentHeaderBytes(copy.properties))
        const again = readProperties(bytes)
        expect(again).toEqual({ ...copy.properties, unreadable: [] })
      }),
    )
  })

  test('whatever the bytes are, never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(readProperties(Buffer.from(bytes)).unreadable).toBeDefined()
      }),
    )
  })
})
