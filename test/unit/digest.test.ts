import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseRequestMessage } from '../../src/contracts/request-message.ts'
import { contentDigest, createPasswordDigester, createPasswordTracer } from '../../src/secrets/digest.ts'
import { buildRequest, toBody } from '../support/request-builder.ts'

function commandOf(message: unknown, contentType = 'application/json', messageId?: string) {
  const result = parseRequestMessage({ body: toBody(message), contentType, messageId })
  if (result.ok !== true) throw new Error(JSON.stringify(result))
  return result.command
}

const digestOf = (...input: Parameters<typeof commandOf>) =>
  contentDigest(commandOf(...input)).toString('hex')

function reordered(value: unknown, order: (keys: string[]) => string[]): unknown {
  if (Array.isArray(value)) return value.map((element) => reordered(element, order))
  if (typeof value !== 'object' || value === null) return value
  const members = value as Record<string, unknown>
  return Object.fromEntries(order(Object.keys(members)).map((key) => [key, reordered(members[key], order)]))
}

describe('contentDigest', () => {
  const full = buildRequest({
    spec: { metadata: { b: '1', a: '2' }, description: 'd', min_count: 1, max_count: 2 },
    priority: 3,
    deadline: '2026-01-01T00:00:00Z',
  })

  test('does not depend on the order of keys', () => {
    fc.assert(
      fc.property(fc.constantFrom('reverse', 'sort'), (how) => {
        const order = (keys: string[]) => (how === 'sort' ? keys.toSorted() : keys.toReversed())
        expect(digestOf(reordered(full, order))).toBe(digestOf(full))
      }),
    )
  })

  test('tells metadata apart by keys and values, not by order', () => {
    const text = fc.string({
      unit: fc.constantFrom('a', 'b', ':', ' ', '"', ','),
      minLength: 1,
      maxLength: 4,
    })
    const key = fc.oneof(fc.stringMatching(/^[ab:_ ]{1,4}$/), fc.constant('__proto__'))
    const pairs = fc.uniqueArray(fc.tuple(key, text), { selector: ([name]) => name, maxLength: 4 })
    const digest = (metadata: [string, string][]) =>
      digestOf(buildRequest({ spec: { metadata: Object.fromEntries(metadata) } }))
    fc.assert(
      fc.property(pairs, pairs, (left, right) => {
        expect(digest(left.toReversed())).toBe(digest(left))
        const same = JSON.stringify(left.toSorted()) === JSON.stringify(right.toSorted())
        expect(digest(left) === digest(right)).toBe(same)
      }),
    )
  })

  test.each([
    [
      'defaults written out',
      buildRequest(),
      buildRequest({ spec: { min_count: 1, max_count: 1 }, priority: 0, when_not_ready: 'fail' }),
    ],
    [
      'null and absent',
      buildRequest(),
      buildRequest({ spec: { placement: null, metadata: null }, deadline: null }),
    ],
    ['empty and absent', buildRequest(), buildRequest({ spec: { metadata: {}, description: '' } })],
    ['the other password', buildRequest(), buildRequest({ spec: { password: 'Another-Passw0rd' } })],
    [
      'an instant in another zone',
      buildRequest({ deadline: '2026-01-01T00:00:00.000Z' }),
      buildRequest({ deadline: '2026-01-01T01:00:00+01:00' }),
    ],
    [
      'a set of servers in another order, with counts that have no effect',
      buildRequest({ spec: { placement: { server_id_set: ['a', 'b'] } } }),
      buildRequest({ spec: { placement: { server_id_set: ['b', 'a', 'b'] }, min_count: 7 } }),
    ],
  ])('is the same for %s', (_, left, right) => {
    expect(digestOf(left)).toBe(digestOf(right))
  })

  test('is the same whichever way the request id and the body come', () => {
    const bare = buildRequest({ request_id: undefined })
    const event = { specversion: '1.0', id: 'order-1', source: '/s', type: 't', data: bare }
    expect(digestOf(bare, 'application/json', 'order-1')).toBe(digestOf(buildRequest()))
    expect(digestOf(event, 'application/cloudevents+json')).toBe(digestOf(buildRequest()))
  })

  test('differs with anything that is ordered', () => {
    const placed = (...server_id_set: string[]) => buildRequest({ spec: { placement: { server_id_set } } })
    const interfaces = (...ids: string[]) =>
      buildRequest({ spec: { network_interfaces: ids.map((subnet_id) => ({ subnet_id })) } })
    const messages = [
      buildRequest(),
      full,
      buildRequest({ request_id: 'order-2' }),
      buildRequest({ project_id: 'project-2' }),
      buildRequest({ priority: 1 }),
      buildRequest({ when_not_ready: 'wait' }),
      buildRequest({ deadline: '2026-01-01T00:00:00Z' }),
      buildRequest({ deadline: '2026-01-01T00:00:00.001Z' }),
      ...['name', 'image_id', 'vpc_id', 'description'].map((key) =>
        buildRequest({ spec: { [key]: 'other' } }),
      ),
      buildRequest({ spec: { metadata: { a: 'b' } } }),
      buildRequest({ spec: { max_count: 2 } }),
      buildRequest({ spec: { min_count: 2 } }),
      placed('a'),
      placed('a', 'b'),
      interfaces('a', 'b'),
      interfaces('b', 'a'),
    ]
    expect(new Set(messages.map((message) => digestOf(message))).size).toBe(messages.length)
  })
})

describe('the password digest', () => {
  const [first, second] = [
    { id: 'k1', key: randomBytes(32) },
    { id: 'k2', key: randomBytes(32) },
  ]
  const command = commandOf(buildRequest())
  const withPassword = commandOf(buildRequest({ spec: { password: 'Another-Passw0rd' } }))

  test('matches its own password alone, and names its key', () => {
    const digester = createPasswordDigester([first])
    const stored = digester.digest(command) ?? ''
    expect(stored).toMatch(/^k1:[A-Za-z0-9+/]{43}=$/)
    expect(digester.digest(command)).toBe(stored)
    expect(digester.matches(command, stored)).toBe(true)
    expect(digester.matches(withPassword, stored)).toBe(false)
    expect(digester.matches(command, 'k1:')).toBe(false)
  })

  test('is bound to the request', () => {
    const digester = createPasswordDigester([first])
    expect(digester.digest(commandOf(buildRequest({ request_id: 'order-2' })))).not.toBe(
      digester.digest(command),
    )
    expect(digester.digest(commandOf(buildRequest({ project_id: 'project-2' })))).not.toBe(
      digester.digest(command),
    )
  })

  test('is compared under the key it was made with, and not at all when that key is gone', () => {
    const stored = createPasswordDigester([first]).digest(command) ?? ''
    const rotated = createPasswordDigester([second, first])
    expect(rotated.matches(command, stored)).toBe(true)
    expect(rotated.matches(withPassword, stored)).toBe(false)
    expect(createPasswordDigester([second]).matches(withPassword, stored)).toBe(true)
  })

  test('is not made without keys', () => {
    expect(createPasswordDigester([]).digest(command)).toBeNull()
    expect(createPasswordDigester([]).matches(command, 'k1:AAAA')).toBe(true)
  })
})

describe('the trace of a password', () => {
  const [first, second] = [
    { id: 'k1', key: randomBytes(32) },
    { id: 'k2', key: randomBytes(32) },
  ]
  const tracer = createPasswordTracer([first, second])
  const owner = { projectId: 'p', requestId: 'r', password: 'Passw0rd!' }

  test('tells it from others, and says far too little to find it', () => {
    const trace = tracer.trace(owner)
    expect(trace).toMatch(/^k1:[0-9a-f]{5}$/)
    expect(createPasswordTracer([second, first]).mayMatch(owner, trace)).toBe(true)
    const others = Array.from({ length: 2000 }, (_, n) => ({ ...owner, password: `Passw0rd-${n}` }))
    expect(others.filter((other) => tracer.mayMatch(other, trace)).length).toBeLessThan(5)
    expect(tracer.trace({ ...owner, requestId: 's' })).not.toBe(trace)
  })

  test('whose key is gone leaves it open', () => {
    expect(createPasswordTracer([second]).mayMatch(owner, tracer.trace(owner))).toBe(true)
  })
})
