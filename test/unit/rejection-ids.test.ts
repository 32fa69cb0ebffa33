import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseRequestMessage } from '../../src/contracts/request-message.ts'
import { createSecretSearch } from '../../src/contracts/secret-search.ts'
import { buildRequest, CANARY, toBody } from '../support/request-builder.ts'

const JSON_TYPE = 'application/json'
const EVENT_TYPE = 'application/cloudevents+json'
const SITES = ['top', 'data', 'spec', 'metadata', 'interface'] as const
const IDS = { projectId: 'project-1', requestId: 'order-1' }

interface Message {
  contentType: string
  /** What has the request id: the body, its envelope, or the AMQP message_id. */
  source: 'request_id' | 'id' | 'message_id'
}

const OWN: Message = { contentType: JSON_TYPE, source: 'request_id' }
const BY_MESSAGE_ID: Message = { contentType: JSON_TYPE, source: 'message_id' }
const EVENT: Message = { contentType: EVENT_TYPE, source: 'request_id' }
const EVENT_BY_ID: Message = { contentType: EVENT_TYPE, source: 'id' }

/** The ids found in an otherwise valid message with more members, as JSON text, at the end of objects in it. */
function idsOf({ contentType, source }: Message, added: Partial<Record<(typeof SITES)[number], string>>) {
  const at = (site: (typeof SITES)[number]) => ({ [`@${site}`]: 0 })
  const isEvent = contentType === EVENT_TYPE
  const order = buildRequest({
    ...(source === 'request_id' ? {} : { request_id: undefined }),
    spec: {
      metadata: { team: 'blue', ...at('metadata') },
      network_interfaces: [{ subnet_id: 'subnet-1', ...at('interface') }],
      ...at('spec'),
    },
    ...at(isEvent ? 'data' : 'top'),
  })
  const id = source === 'id' ? IDS.requestId : 'event-1'
  const event = { specversion: '1.0', id, source: '/shop', type: 'ordered', data: order, ...at('top') }
  const text = SITES.reduce(
    (json, site) => json.replace(`,"@${site}":0`, () => (added[site] === undefined ? '' : `,${added[site]}`)),
    JSON.stringify(isEvent ? event : order),
  )
  const messageId = source === 'message_id' ? IDS.requestId : 'message-1'
  const result = parseRequestMessage({ body: Buffer.from(text), contentType, messageId })
  if (result.ok) throw new Error('accepted')
  return { projectId: result.projectId, requestId: result.requestId }
}

const many = (count: number, unit: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => unit(index)).join()
const deep = `"deep":${'['.repeat(40)}${']'.repeat(40)}`

test.each<[string, Message, Parameters<typeof idsOf>[1]]>([
  ['another id of an event', EVENT, { top: '"id":"event-2"' }],
  ['an ill-formed id of an event', EVENT, { top: '"id":"\\ud800"' }],
  ['an id within the data', EVENT_BY_ID, { data: '"id":1,"id":2' }],
  ['an order\'s "id"', OWN, { top: '"id":"1","id":"2"' }],
  ['an order\'s "data"', OWN, { top: '"data":1,"data":{"project_id":1,"project_id":2}' }],
  ['a pair of metadata named id', OWN, { metadata: '"id":"1","id":"2"' }],
  [
    'pairs named as the ids',
    BY_MESSAGE_ID,
    { metadata: '"project_id":"1","project_id":"2","request_id":"\\ud800"' },
  ],
  [
    'the order of an event at its top',
    EVENT,
    { top: '"project_id":1,"project_id":2,"request_id":1,"request_id":2' },
  ],
  ['50 members again', OWN, { metadata: many(51, () => '"x":1') }],
  ['51 members again', OWN, { metadata: many(52, () => '"x":1') }],
  ['thousands of members again', EVENT_BY_ID, { spec: many(5000, () => '"x":1') }],
  ['too many levels', OWN, { metadata: deep }],
  ['long texts under a secret name', OWN, { spec: `"token":["${'x'.repeat(1100)}"]` }],
  ['many texts under a secret name', OWN, { spec: `"tokens":[${many(5000, (n) => `"s-${n}"`)}]` }],
])('%s: the ids are told', (_, message, added) => {
  expect(idsOf(message, added)).toEqual(IDS)
})

test.each<[string, Message, Parameters<typeof idsOf>[1], ('projectId' | 'requestId')[]]>([
  ['the project', OWN, { top: '"project_id":"q"' }, ['requestId']],
  ['the project of an event', EVENT, { data: '"project_id":"project-1"' }, ['requestId']],
  ['the request id', OWN, { top: '"request_id":"q"' }, ['projectId']],
  ['the request id of an event', EVENT, { data: '"request_id":"q"' }, ['projectId']],
  ['the request id, by an escape', OWN, { top: '"\\u0072equest_id":"q"' }, ['projectId']],
  ['an id that was taken back', OWN, { top: '"request_id":null' }, ['projectId']],
  [
    'an id that was never given',
    BY_MESSAGE_ID,
    { top: '"request_id":null,"request_id":null' },
    ['projectId'],
  ],
  ['the id of an event, in use', EVENT_BY_ID, { top: '"id":"event-2"' }, ['projectId']],
  ['the data', EVENT, { top: '"data":{"project_id":"p","request_id":"r"}' }, []],
  [
    'the project after 60 other members',
    OWN,
    { top: `${many(60, () => '"a":1')},"project_id":"q"` },
    ['requestId'],
  ],
  ['the project after too many levels', OWN, { top: `${deep},"project_id":"q"` }, ['requestId']],
])('%s twice: only what is certain is told', (_, message, added, told) => {
  const expected = Object.fromEntries(told.map((name) => [name, IDS[name]]))
  expect(idsOf(message, added)).toEqual({ projectId: undefined, requestId: undefined, ...expected })
})

test('whatever is wrong elsewhere, the ids are told', () => {
  const name = fc.constantFrom(
    'id',
    'data',
    'project_id',
    'request_id',
    'message_id',
    'spec',
    'team',
    'token',
    'x',
  )
  const fault = fc.tuple(
    fc.constantFrom<(name: string) => string>(
      (member) => `"${member}":1,"${member}":2`,
      (member) => many(60, () => `"${member}":{}`),
      (member) => `"${member}":"\\ud800","${member}":[]`,
      (member) => `"${member}\\ud800":1`,
      (member) => `"${member}":"\\u0000"`,
      (member) => `"${member}":${'{"project_id":'.repeat(40)}1${'}'.repeat(40)}`,
      (member) => `"${member}":{"id":1,"id":2,"project_id":1,"project_id":2,"request_id":1,"request_id":2}`,
      (member) => `"${member}":{"passwords":[${many(300, (n) => `"secret-${n}"`)}]}`,
    ),
    name,
    fc.constantFrom(...SITES),
  )
  const isIdMember = ({ contentType, source }: Message, member: string, site: string) => {
    const isEvent = contentType === EVENT_TYPE
    if (site === 'top' && isEvent) return member === 'data' || (member === 'id' && source === 'id')
    return (site === 'data' || site === 'top') && (member === 'project_id' || member === 'request_id')
  }
  fc.assert(
    fc.property(
      fc.constantFrom(OWN, BY_MESSAGE_ID, EVENT, EVENT_BY_ID),
      fc.array(fault, { minLength: 1, maxLength: 4 }),
      (message, faults) => {
        const added: Parameters<typeof idsOf>[1] = {}
        for (const [write, member, drawn] of faults) {
          const site = drawn === 'data' && message.contentType === JSON_TYPE ? 'top' : drawn
          if (isIdMember(message, member, site)) continue
          added[site] = added[site] === undefined ? write(member) : `${added[site]},${write(member)}`
        }
        fc.pre(Object.keys(added).length > 0)
        expect(idsOf(message, added)).toEqual(IDS)
      },
    ),
    { numRuns: 1000 },
  )
})

describe('however much stands under secret names', () => {
  const others = Array.from({ length: 3000 }, (_, index) => `other-${index}`)

  test.each([
    [
      'an id with a secret in it is not told',
      { request_id: `a${CANARY.toLowerCase()}`.replace('!', '.') },
      {},
    ],
    ['an id that is a secret is not told', { request_id: 'x1' }, { secrets: ['x1'] }],
    ['nor one whose secret stands behind too many levels', { request_id: 'Qz7vKx2w' }, { token: 'Qz7vKx2w' }],
  ])('%s', (_, ids, secrets) => {
    const deepFirst = { deep: JSON.parse(`${'['.repeat(40)}${']'.repeat(40)}`) }
    const spec = { passwords: [...others, CANARY.replace('!', '.')], ...secrets }
    const body = toBody({ ...deepFirst, ...buildRequest({ ...ids, spec }) })
    const headers = { traceparent: `00-${CANARY.replace('!', '.')}`, tracestate: 'shop=1' }
    const input = { body, contentType: JSON_TYPE, messageId: undefined, correlationId: 'desk-1', headers }
    const result = parseRequestMessage(input)
    expect(result).toMatchObject({
      projectId: 'project-1',
      tracing: { correlationId: 'desk-1', traceparent: null, tracestate: 'shop=1' },
    })
    expect(result).not.toHaveProperty('requestId')
  })

  test('what a short text has in common with a secret does not matter', () => {
    const spec = { passwords: [...others, 'order-1-and-more', 'der'] }
    expect(
      parseRequestMessage({
        body: toBody(buildRequest({ spec })),
        contentType: JSON_TYPE,
        messageId: undefined,
      }),
    ).toMatchObject(IDS)
  })
})

test('of a message that is not read for its type or size, the ids are found in the same way', () => {
  const text = JSON.stringify(buildRequest({ spec: { metadata: { a: 'x' } } })).replace('"a"', '"a":"y","a"')
  const read = (body: string, contentType: string) =>
    parseRequestMessage({ body: Buffer.from(body), contentType, messageId: undefined })
  expect(read(text, 'text/plain')).toMatchObject({ code: 'unsupported_content_type', ...IDS })
  expect(read(text + ' '.repeat(65_536), JSON_TYPE)).toMatchObject({ code: 'message_too_large', ...IDS })
})

test('a secret is found wherever it stands in a text, and nothing else is', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '\u00fc'), maxLength: 40 })
  fc.assert(
    fc.property(fc.array(text, { maxLength: 8 }), text, (values, shown) => {
      const holds = values.some((value) => (value.length < 4 ? shown === value : shown.includes(value)))
      expect(createSecretSearch(values)(shown)).toBe(holds)
    }),
    { numRuns: 2000 },
  )
})
