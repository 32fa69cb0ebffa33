import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  array,
  field,
  longstr,
  nested,
  type RawProperties,
  shortstr,
  table,
  text,
  uint,
} from '../support/amqp-bytes.ts'
import { type AppWorld, createAppWorld } from '../support/app-world.ts'
import { eventually } from '../support/eventually.ts'
import { openRawPublisher, type RawPublisher } from '../support/raw-publisher.ts'
import { buildRequest, toBody } from '../support/request-builder.ts'

let world: AppWorld
let raw: RawPublisher
beforeAll(async () => {
  world = await createAppWorld()
  await world.startApp()
  raw = await openRawPublisher(world.broker.url)
})
afterAll(async () => {
  raw?.close()
  await world.close()
})

const NOISE = Buffer.alloc(255, 0xff)
const header = (name: string | Buffer, value: Buffer): RawProperties => ({ headers: table([[name, value]]) })

/** What amqplib can read, but not send again, or not read at all; with what its dead letter names. */
const CASES: [what: string, properties: RawProperties, altered: string[]][] = [
  ['a timestamp of 2^64-1', { timestamp: uint(2n ** 64n - 1n, 8) }, ['timestamp']],
  ['a correlation id that is not UTF-8', { correlationId: shortstr(NOISE) }, ['correlation_id']],
  ['a reply address that is not UTF-8', { replyTo: shortstr(NOISE) }, ['reply_to']],
  ['a message id that is not UTF-8', { messageId: shortstr(NOISE) }, ['message_id']],
  ['a type that is not UTF-8', { type: shortstr(NOISE) }, ['type']],
  ['an application that is not UTF-8', { appId: shortstr(NOISE) }, ['app_id']],
  ['an encoding that is not UTF-8', { contentEncoding: shortstr(NOISE) }, ['content_encoding']],
  ['a content type that is not UTF-8', { contentType: shortstr(NOISE) }, ['content_type']],
  ['a cluster id', { clusterId: shortstr('rabbit') }, ['cluster_id']],
  ['a time to live', { expiration: shortstr('600000') }, ['expiration']],
  ['a priority of 255', { priority: uint(255, 1) }, []],
  ['a header of 64 bits', header('n', field('l', uint(2n ** 63n - 1n, 8))), []],
  ['a header of bytes', header('n', field('x', longstr(NOISE))), []],
  ['a moment beyond all times', header('n', field('T', uint(2n ** 64n - 1n, 8))), []],
  ['a decimal', header('n', field('D', uint(200, 1), uint(-1, 4))), []],
  ['a table named __proto__', header('__proto__', field('F', table([['a', text('b')]]))), []],
  ['a text named __proto__', header('__proto__', text('a')), []],
  ['an empty name', header('', field('V')), []],
  ['a name of 255 bytes', header('n'.repeat(255), text('')), []],
  ['a name that is not UTF-8', header(NOISE, text('')), [`headers.${'\ufffd'.repeat(255)}`]],
  ['a text that is not UTF-8', header('n', text(NOISE)), ['headers.n']],
  ["a value with amqplib's key for types", header('n', field('F', table([['!', text('x')]]))), ['headers.n']],
  ['6,000 arrays in each other', header('n', nested(6000)), ['headers.n']],
  ['130 KB of one header', header('n', text('n'.repeat(130_000))), ['headers.n']],
  [
    '2,000 headers',
    { headers: table(Array.from({ length: 2000 }, (_, n) => [`n${n}`, text('n'.repeat(40))] as const)) },
    ['headers'],
  ],
  ['another receiver', header('CC', array([text('provision.requests')])), ['headers.CC']],
  ['receivers that are no names', header('CC', array([field('I', uint(1, 4))])), ['headers.CC']],
  ['a death that is none', header('x-death', array([text('x')])), []],
  [
    'one name twice',
    {
      headers: table([
        ['n', text('1')],
        ['n', text('2')],
      ]),
    },
    ['headers.n'],
  ],
]

let letters = CASES.length

describe('an invalid message with', () => {
  test.each(CASES)(
    '%s is dead-lettered, and the letter names what it lacks',
    async (what, properties, altered) => {
      const body = Buffer.from(`${what}: no JSON`)
      await raw.publish({ routingKey: 'provision.requests', body, properties })
      const letter = await eventually(() => {
        const found = world.deadLetters().find((each) => each.content.body.equals(body))
        expect(found).toBeDefined()
        return found
      })
      const named = letter?.properties.headers?.['x-rejection-altered'] ?? '[]'
      expect(JSON.parse(named)).toEqual(altered)
    },
  )
})

test('a valid order is refused when events cannot carry its correlation id, and an event says so', async () => {
  const body = toBody(buildRequest({ project_id: 'hostile', request_id: 'noise' }))
  const properties = { correlationId: shortstr(NOISE) }
  await raw.publish({ routingKey: 'provision.requests', body, properties })
  const letter = await eventually(() => {
    const found = world.deadLetters().find((each) => each.content.body.equals(body))
    expect(found).toBeDefined()
    return found
  })
  expect(letter).toMatchObject({ code: 'invalid_request', paths: ['correlation_id'] })
  await eventually(() => {
    const kinds = world.eventsOf({ projectId: 'hostile', requestId: 'noise' }).map(({ kind }) => kind)
    expect(kinds).toEqual(['request.rejected'])
  })
  letters += 1
})

describe('invalid messages that come together', () => {
  test('have an event each, whatever the correlation ids of the others are', async () => {
    const requests = Array.from({ length: 40 }, (_, n) => ({ project_id: 'together', request_id: `r${n}` }))
    await Promise.all(
      requests.map((body, n) =>
        world.publish(body, { correlationId: n % 3 === 0 ? 'before\0after' : `c-${n}` }),
      ),
    )
    await eventually(() => {
      const told = requests.filter(
        ({ request_id: requestId }) => world.eventsOf({ projectId: 'together', requestId }).length > 0,
      )
      expect(told).toHaveLength(requests.length)
    })
    letters += requests.length
  })
})

describe('after all that', () => {
  test('nothing is left in the queue or in hand, and orders are taken as ever', async () => {
    const properties = { contentType: shortstr('application/json'), ...header('n', nested(6000)) }
    const order = { project_id: 'hostile', request_id: 'good' }
    await raw.publish({ routingKey: 'provision.requests', body: toBody(buildRequest(order)), properties })
    const key = { projectId: 'hostile', requestId: 'good' }
    await world.allEventsOf(key)
    expect((await world.statusOf(key)).state).toBe('running')
    expect(await world.broker.depth('provision.requests')).toBe(0)
    await eventually(() => expect(world.deadLetters()).toHaveLength(letters))
  })
})
