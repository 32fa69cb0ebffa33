import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readOrders } from '../../src/cli/read-orders.ts'
import { buildRequest } from '../support/request-builder.ts'

const order = (id: string, changes: object = {}) =>
  JSON.stringify(buildRequest({ request_id: id, project_id: 'p', ...changes }))
const header = { alg: 'ECDH-ES+A256KW', enc: 'A256GCM', epk: { kty: 'EC', crv: 'P-256' } }
const SEALED = {
  password: null,
  password_jwe: `${Buffer.from(JSON.stringify(header)).toString('base64url')}.AA.AA.AA.AA`,
}
const read = (text: string) => readOrders(Buffer.from(text))

test('one order may span lines; many stand on a line each, between which lines may be empty', () => {
  const pretty = JSON.stringify(JSON.parse(order('one')), null, 2)
  expect(read(`\n${pretty}\n`)).toMatchObject({
    faults: [],
    orders: [{ requestId: 'one', projectId: 'p', line: 2 }],
  })
  const many = read(`${order('a')}\r\n\r\n  ${order('b')}`)
  expect(many.orders.map(({ requestId, line }) => [requestId, line])).toEqual([
    ['a', 1],
    ['b', 3],
  ])
  expect(read(`\ufeff${order('marked')}`).orders).toHaveLength(1)
  expect(read(' \n')).toEqual({ orders: [], faults: [] })
})

test('a CloudEvent is an order, whose id may stand for that of the request', () => {
  const data = { ...JSON.parse(order('x')), request_id: undefined }
  const event = { specversion: '1.0', id: 'event-1', source: '/shop', type: 'ordered', data }
  const [first] = read(JSON.stringify(event)).orders
  expect(first).toMatchObject({ requestId: 'event-1', contentType: 'application/cloudevents+json' })
})

describe('a fault is told with its line', () => {
  test.each([
    ['an unknown member', order('b', { cuont: 1 }), 'cuont'],
    ['one beside a sealed password', order('b', { cuont: 1, spec: SEALED }), 'cuont'],
    ['a missing id', JSON.stringify({ ...JSON.parse(order('b')), request_id: undefined }), 'request_id'],
    ['an id for the second time', order('a'), 'request_id'],
  ])('%s', (_, line, path) => {
    expect(read(`${order('a')}\n${line}\n${order('c')}`).faults).toMatchObject([{ line: 2, path }])
  })

  test('no JSON, by the place in its line', () => {
    const { faults } = read(`${order('a')}\n{"project_id":}`)
    expect(faults).toMatchObject([{ line: 2, message: expect.stringMatching(/at column 15$/) }])
  })

  test('never with the password', () => {
    const secret = 'Canary-pa55-9'
    const wrong = [
      order('a', { spec: { password: secret, passwrod: secret } }),
      `{"spec":{"password":"${secret}`,
    ]
    expect(JSON.stringify(read(wrong.join('\n')).faults)).not.toContain(secret)
  })
})

test('what is read is published as it was written', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.stringMatching(/^[a-z0-9]{1,8}$/), { minLength: 1, maxLength: 20 }),
      (ids) => {
        const lines = ids.map((id) => order(id))
        const { orders, faults } = read(lines.join('\n'))
        expect(faults).toEqual([])
        expect(orders.map(({ body }) => body.toString())).toEqual(lines)
      },
    ),
  )
})
