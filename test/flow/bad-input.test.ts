import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AppWorld, createAppWorld } from '../support/app-world.ts'
import { eventually } from '../support/eventually.ts'
import { buildRequest, CANARY } from '../support/request-builder.ts'

let world: AppWorld
beforeAll(async () => {
  world = await createAppWorld()
  await world.startApp()
})
afterAll(() => world.close())

const PROJECT = 'bad-input'
let serial = 0

const valid = (changes: Record<string, unknown> = {}) =>
  buildRequest({ project_id: PROJECT, request_id: 'bad', ...changes })
const ofSpec = (spec: Record<string, unknown>) => valid({ spec })
const text = (value: unknown) => JSON.stringify(value)
const raw = (body: string) => Buffer.from(body)
const wrapped = (changes: Record<string, unknown>, data: unknown = valid()) => ({
  specversion: '1.0',
  id: 'event-1',
  source: '/shop',
  type: 'ordered',
  data,
  ...changes,
})
const paddedTo = (bytes: number) => {
  const body = text(valid({ request_id: `padded-${bytes}` }))
  return raw(`${body.slice(0, -1)}${' '.repeat(bytes - body.length)}}`)
}

const CLOUD_EVENT = 'application/cloudevents+json'

type Case = [what: string, body: unknown, code: string, paths: string[], contentType?: string]

const CASES: Case[] = [
  ['no JSON at all', raw('order 3 servers, please'), 'invalid_json', ['']],
  ['an empty body', Buffer.alloc(0), 'invalid_json', ['']],
  ['JSON cut short', raw(text(valid()).slice(0, -5)), 'invalid_json', ['spec']],
  ['two objects', raw(`${text(valid())}${text(valid())}`), 'invalid_json', ['']],
  [
    'nesting without end',
    raw(`${'['.repeat(20_000)}${']'.repeat(20_000)}`),
    'invalid_json',
    [Array(32).fill('0').join('.')],
  ],
  ['bytes that are no UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]), 'invalid_json', ['']],
  ['65,537 bytes', paddedTo(65_537), 'message_too_large', ['']],
  ['another content type', valid(), 'unsupported_content_type', ['content_type'], 'text/plain'],
  [
    'another charset',
    valid(),
    'unsupported_content_type',
    ['content_type'],
    'application/json; charset=latin1',
  ],

  ['an array', [valid()], 'invalid_request', ['']],
  ['null', null, 'invalid_request', ['']],
  ['a project id with a slash', valid({ project_id: 'a/b' }), 'invalid_request', ['project_id']],
  ['no project id', valid({ project_id: undefined }), 'invalid_request', ['project_id']],
  [
    'a request id of 129 characters',
    valid({ request_id: 'x'.repeat(129) }),
    'invalid_request',
    ['request_id'],
  ],
  ['a number for a request id', valid({ request_id: 7 }), 'invalid_request', ['request_id']],
  ['no spec', { project_id: PROJECT, request_id: 'bad' }, 'invalid_request', ['spec']],
  ['an unknown member', valid({ prioritty: 1 }), 'invalid_request', ['prioritty']],
  ['a misspelt count', ofSpec({ min_cuont: 2 }), 'invalid_request', ['spec.min_cuont']],
  [
    'an unknown member of an interface',
    ofSpec({ network_interfaces: [{ subnet_id: 's', ip: '1' }] }),
    'invalid_request',
    ['spec.network_interfaces.0.ip'],
  ],
  ['priority 10', valid({ priority: 10 }), 'invalid_request', ['priority']],
  ['priority 1.5', valid({ priority: 1.5 }), 'invalid_request', ['priority']],
  ['a deadline without a zone', valid({ deadline: '2026-11-23T12:00:00' }), 'invalid_request', ['deadline']],
  ['a deadline on 30 February', valid({ deadline: '2026-02-30T12:00:00Z' }), 'invalid_request', ['deadline']],
  [
    'cancelling by message',
    { project_id: PROJECT, request_id: 'bad', cancel: true },
    'invalid_request',
    ['cancel', 'spec'],
  ],

  ['no name', ofSpec({ name: undefined }), 'invalid_request', ['spec.name']],
  ['a name with a space', ofSpec({ name: 'web server' }), 'invalid_request', ['spec.name']],
  ['an empty image id', ofSpec({ image_id: '' }), 'invalid_request', ['spec.image_id']],
  ['no VPC', ofSpec({ vpc_id: undefined }), 'invalid_request', ['spec.vpc_id']],
  ['no interface', ofSpec({ network_interfaces: [] }), 'invalid_request', ['spec.network_interfaces']],
  [
    'three interfaces',
    ofSpec({ network_interfaces: [{ subnet_id: 'a' }, { subnet_id: 'b' }, { subnet_id: 'c' }] }),
    'invalid_request',
    ['spec.network_interfaces'],
  ],
  ['no password', ofSpec({ password: undefined }), 'invalid_request', ['spec.password']],
  ['a password of one kind', ofSpec({ password: 'onlysmallletters' }), 'invalid_request', ['spec.password']],
  [
    'a password with the name of an administrator',
    ofSpec({ password: `${CANARY}root` }),
    'invalid_request',
    ['spec.password'],
  ],
  ['a number in the metadata', ofSpec({ metadata: { team: 7 } }), 'invalid_request', ['spec.metadata.team']],
  [
    'eleven pairs of metadata',
    ofSpec({ metadata: Object.fromEntries(Array.from({ length: 11 }, (_, n) => [`k${n}`, ''])) }),
    'invalid_request',
    ['spec.metadata'],
  ],
  [
    'a description of 256 characters',
    ofSpec({ description: 'x'.repeat(256) }),
    'invalid_request',
    ['spec.description'],
  ],
  ['an empty placement', ofSpec({ placement: {} }), 'invalid_request', ['spec.placement.server_id_set']],
  [
    'no selected server',
    ofSpec({ placement: { server_id_set: [] } }),
    'invalid_request',
    ['spec.placement.server_id_set'],
  ],
  [
    '51 selected servers',
    ofSpec({ placement: { server_id_set: Array.from({ length: 51 }, (_, n) => `s${n}`) } }),
    'invalid_request',
    ['spec.placement.server_id_set'],
  ],
  ['a count of 0', ofSpec({ min_count: 0 }), 'invalid_request', ['spec.min_count']],
  ['a count of 101', ofSpec({ max_count: 101 }), 'invalid_request', ['spec.max_count']],
  ['a count in quotes', ofSpec({ max_count: '2' }), 'invalid_request', ['spec.max_count']],
  [
    'more at least than at most',
    ofSpec({ min_count: 3, max_count: 2 }),
    'invalid_request',
    ['spec.max_count'],
  ],

  [
    'the same member twice',
    raw(text(valid()).replace('"spec":{', '"spec":{"name":"other",')),
    'invalid_json',
    ['spec.name'],
  ],
  ['a lone surrogate', raw(text(valid()).replace('"web"', '"\\ud800"')), 'invalid_json', ['spec.name']],
  ['a NUL character', ofSpec({ description: 'before\u0000after' }), 'invalid_request', ['spec.description']],
  [
    'a NUL character in a key',
    ofSpec({ metadata: { 'a\u0000b': 'c' } }),
    'invalid_request',
    ['spec.metadata[0]', 'spec.metadata[0]'],
  ],
  [
    'a member named __proto__',
    raw(text(valid()).replace('"spec":{', '"spec":{"__proto__":{"min_count":9},')),
    'invalid_request',
    ['spec.__proto__'],
  ],

  [
    'a CloudEvent of another version',
    wrapped({ specversion: '0.3' }),
    'invalid_request',
    ['specversion'],
    CLOUD_EVENT,
  ],
  ['a CloudEvent without data', wrapped({ data: undefined }), 'invalid_request', ['data'], CLOUD_EVENT],
  [
    'a CloudEvent with a bad spec',
    wrapped({}, ofSpec({ max_count: 0 })),
    'invalid_request',
    ['data.spec.max_count'],
    CLOUD_EVENT,
  ],
]

describe('a message with', () => {
  test.each(CASES)('%s is a dead letter that says why', async (_, body, code, paths, contentType) => {
    serial += 1
    const messageId = `bad-${serial}`
    const properties = {
      messageId,
      correlationId: 'desk-1',
      appId: 'shop',
      headers: { 'x-own': 'kept' },
      ...(contentType === undefined ? {} : { contentType }),
    }
    await world.publish(body, properties)
    const letter = await world.deadLetterOf(messageId)
    expect({ code: letter.code, paths: letter.paths.toSorted() }).toEqual({ code, paths: paths.toSorted() })
    const sent = Buffer.isBuffer(body) ? body : raw(text(body))
    expect(letter.content.body.equals(sent.subarray(0, 65_536))).toBe(true)
    expect(letter.content.contentType).toBe(contentType ?? 'application/json')
    expect(letter.properties).toMatchObject({
      contentType: 'application/jose',
      correlationId: 'desk-1',
      appId: 'shop',
      deliveryMode: 2,
      headers: { 'x-own': 'kept', 'x-rejected-at': expect.stringMatching(/^\d{4}-.*Z$/) },
    })
    expect(JSON.stringify(letter.properties) + letter.body).not.toContain(CANARY)
  })
})

describe('after all that', () => {
  test('the service takes good messages, up to the last allowed byte', async () => {
    await world.publish(paddedTo(65_536))
    const key = { projectId: PROJECT, requestId: 'padded-65536' }
    await world.allEventsOf(key)
    expect((await world.statusOf(key)).state).toBe('running')
  })

  test('nothing of it was stored or cost a call', async () => {
    const rows = await world.database.query('SELECT request_id FROM provision_request')
    expect(rows).toEqual([{ request_id: 'padded-65536' }])
    expect(world.simulator.ledger.calls({ operation: 'RunInstances' })).toHaveLength(1)
    expect(await world.broker.depth('provision.requests')).toBe(0)
    expect(world.deadLetters()).toHaveLength(CASES.length)
  })

  test('whoever can be told is told by an event', async () => {
    const key = { projectId: PROJECT, requestId: 'bad' }
    const readable = CASES.filter(
      ([, body, code]) => code === 'invalid_request' && JSON.stringify(body).includes('"bad"'),
    )
    await eventually(() => expect(world.eventsOf(key).length).toBeGreaterThan(readable.length / 2))
    for (const event of world.eventsOf(key)) {
      expect(event).toMatchObject({ kind: 'request.rejected', data: { code: expect.any(String) } })
    }
  })
})
