import { describe, expect, test } from 'vitest'
import { parseRequestMessage } from '../../src/contracts/request-message.ts'
import {
  buildRequest,
  buildSpec,
  CANARY,
  commandOf,
  faultsOf,
  parseMessage,
} from '../support/request-builder.ts'

describe('a valid message', () => {
  test('becomes a command with its defaults', () => {
    expect(commandOf(buildRequest())).toEqual({
      projectId: 'project-1',
      requestId: 'order-1',
      spec: {
        name: 'web',
        image_id: 'image-1',
        vpc_id: 'vpc-1',
        network_interfaces: [{ subnet_id: 'subnet-1' }],
        min_count: 1,
        max_count: 1,
      },
      password: CANARY,
      priority: 0,
      minCount: 1,
      maxCount: 1,
      deadline: null,
      waitsForReady: false,
    })
  })

  test('keeps what it says', () => {
    const metadata = JSON.parse('{"team":"blue","__proto__":"kept"}')
    const command = commandOf(
      buildRequest({
        spec: { metadata, description: 'd', min_count: 2, max_count: 5 },
        priority: 9,
        deadline: '2020-01-01T01:00:00.5+01:00',
      }),
    )
    expect(command).toMatchObject({
      priority: 9,
      minCount: 2,
      maxCount: 5,
      deadline: new Date('2020-01-01T00:00:00.500Z'),
    })
    expect(JSON.stringify(command.spec)).toContain('"metadata":{"team":"blue","__proto__":"kept"}')
    expect(command.spec.description).toBe('d')
  })

  test.each([
    [{ min_count: 3 }, 3, 3],
    [{ max_count: 3 }, 1, 3],
    [{ min_count: null, max_count: null }, 1, 1],
    [{ min_count: 100, max_count: 100 }, 100, 100],
  ])('counts %j', (counts, minCount, maxCount) => {
    const command = commandOf(buildRequest({ spec: counts }))
    expect(command).toMatchObject({ minCount, maxCount, spec: { min_count: minCount, max_count: maxCount } })
  })

  test('beside a placement asks for its distinct servers, and its counts are dropped unchecked', () => {
    const server_id_set = ['a', 'b', 'a']
    const command = commandOf(
      buildRequest({ spec: { placement: { server_id_set }, min_count: 500, max_count: 0.5 } }),
    )
    expect(command).toMatchObject({ minCount: 2, maxCount: 2, spec: { placement: { server_id_set } } })
    expect(command.spec).not.toHaveProperty('min_count')
    expect(command.spec).not.toHaveProperty('max_count')
  })

  test('whole numbers count however they are written', () => {
    const text = JSON.stringify(buildRequest()).replace(
      '"spec":{',
      '"priority":-0,"spec":{"min_count":1e0,"max_count":2.0,',
    )
    const result = parseRequestMessage({
      body: Buffer.from(text),
      contentType: undefined,
      messageId: undefined,
    })
    expect(result).toMatchObject({ ok: true, command: { minCount: 1, maxCount: 2, priority: 0 } })
  })

  test.each([
    'application/json',
    'application/json; charset=utf-8',
    'Application/JSON;CHARSET="UTF-8"',
    'application/json; profile=x',
    '',
  ])('may have the content type %j', (contentType) => {
    expect(parseMessage(buildRequest(), { contentType }).ok).toBe(true)
  })
})

describe('members beside the spec', () => {
  test.each<[string, unknown[], unknown[]]>([
    ['request_id', ['a', 'A.b_c:d~e-9', 'x'.repeat(128)], ['', 'x'.repeat(129), 'a b', 'a/b', 'é', 1, []]],
    ['project_id', ['a', 'A_b-9', 'x'.repeat(64)], ['', 'x'.repeat(65), 'a.b', 'a b', 1, null, undefined]],
    ['priority', [undefined, null, 0, 9], [-1, 10, 1.5, '1', true]],
    ['when_not_ready', [undefined, null, 'fail', 'wait'], ['Wait', '', true, 1]],
    ['deadline', [undefined, null, '2020-01-01T00:00:00Z'], ['', '2020-01-01', 'tomorrow', 1, {}]],
  ])('%s', (field, valid, invalid) => {
    for (const value of valid) expect(faultsOf(buildRequest({ [field]: value }))).toEqual([])
    for (const value of invalid)
      expect(faultsOf(buildRequest({ [field]: value })), JSON.stringify(value)).toEqual([field])
  })

  test.each([
    [[], ['']],
    ['text', ['']],
    [null, ['']],
    [{}, ['project_id', 'spec', 'request_id']],
    [{ ...buildRequest(), spec: null }, ['spec']],
    [{ ...buildRequest(), spec: [] }, ['spec']],
    [{ ...buildRequest(), Priority: 1, password: CANARY }, ['Priority', 'password']],
    [JSON.parse(`{"__proto__":{}, ${JSON.stringify(buildRequest()).slice(1)}`), ['__proto__']],
  ])('%j has faults at %j', (message, paths) => {
    expect(faultsOf(message)).toEqual(paths)
  })

  test('every fault is listed, not the first alone', () => {
    const message = { project_id: 1, extra: 1, spec: { min_count: 5, max_count: 2, image_id: 'i' } }
    expect(faultsOf(message).sort()).toEqual(
      [
        'extra',
        'project_id',
        'request_id',
        'spec.max_count',
        'spec.name',
        'spec.network_interfaces',
        'spec.password',
        'spec.vpc_id',
      ].sort(),
    )
  })
})

describe('the request id', () => {
  test.each([
    ['is the one in the body', 'order-1', 'other', 'order-1'],
    ['is the message_id where the body has none', undefined, 'm-1', 'm-1'],
    ['is the message_id where the body has null', null, 'm-1', 'm-1'],
  ])('%s', (_, request_id, messageId, expected) => {
    expect(commandOf(buildRequest({ request_id }), { messageId }).requestId).toBe(expected)
  })

  test('an unsuitable message_id is no matter where the body has an id', () => {
    expect(commandOf(buildRequest(), { messageId: 'not an id!' }).requestId).toBe('order-1')
  })

  test.each([
    ['not an id!', ['message_id']],
    ['', ['request_id']],
  ])('the message_id %j does not serve', (messageId, paths) => {
    expect(faultsOf(buildRequest({ request_id: undefined }), { messageId })).toEqual(paths)
  })
})

describe('the password stands in no other member', () => {
  test.each<[Parameters<typeof buildRequest>[0], string]>([
    [{ request_id: 'Canary-Passw0rd' }, 'request_id'],
    [{ project_id: 'my_Canary-Passw0rd' }, 'project_id'],
    [{ spec: { name: 'Canary-Passw0rd.' } }, 'spec.name'],
    [
      { spec: { network_interfaces: [{ subnet_id: 'Canary-Passw0rd' }] } },
      'spec.network_interfaces.0.subnet_id',
    ],
    [{ spec: { metadata: { team: 'Canary-Passw0rd' } } }, 'spec.metadata.team'],
    [{ spec: { metadata: { a: 'b', 'Canary-Passw0rd': '' } } }, 'spec.metadata[1]'],
  ])('%j', ({ spec = {}, ...changes } = {}, path) => {
    const message = buildRequest({ ...changes, spec: { ...spec, password: 'Canary-Passw0rd' } })
    expect(parseMessage(message)).toMatchObject({
      code: 'invalid_request',
      detail: [{ path, message: 'must not contain the password' }],
    })
  })

  test('nor in a property that is published', () => {
    const spec = { password: 'Canary-Passw0rd' }
    const messageId = 'Canary-Passw0rd'
    expect(faultsOf(buildRequest({ spec, request_id: undefined }), { messageId })).toEqual(['message_id'])
    expect(faultsOf(buildRequest({ spec }), { messageId })).toEqual([])
  })
})

describe('one mistake is one fault', () => {
  const members: [string, (value: unknown) => object][] = [
    ['request_id', (value) => buildRequest({ request_id: value })],
    ['project_id', (value) => buildRequest({ project_id: value })],
    ['priority', (value) => buildRequest({ priority: value })],
    ['when_not_ready', (value) => buildRequest({ when_not_ready: value })],
    ['deadline', (value) => buildRequest({ deadline: value })],
    ['spec', (value) => ({ ...buildRequest(), spec: value })],
    ...Object.keys({ ...buildSpec(), metadata: 1, description: 1, placement: 1, min_count: 1 }).map(
      (name): [string, (value: unknown) => object] => [
        `spec.${name}`,
        (value) => buildRequest({ spec: { [name]: value } }),
      ],
    ),
    [
      'spec.placement.server_id_set',
      (value) => buildRequest({ spec: { placement: { server_id_set: value } } }),
    ],
    ['spec.network_interfaces.0', (value) => buildRequest({ spec: { network_interfaces: [value] } })],
    [
      'spec.network_interfaces.0.subnet_id',
      (value) => buildRequest({ spec: { network_interfaces: [{ subnet_id: value }] } }),
    ],
  ]
  const wrong = [7, 10.5, true, '', 'a/b'.repeat(30), [], Array(60).fill(0), { length: 99 }, {}]

  test.each(members)('%s of the wrong type', (path, build) => {
    for (const value of wrong) {
      const result = parseMessage(build(value))
      if (result.ok) continue
      const own = result.detail.filter((fault) => fault.path === path)
      const isPassword = path === 'spec.password' && typeof value === 'string'
      expect(own.length, JSON.stringify([value, result.detail])).toBeLessThanOrEqual(isPassword ? 2 : 1)
    }
  })

  test('an empty id of a CloudEvent is one as well', () => {
    const { request_id: _, ...data } = buildRequest()
    const event = { specversion: '1.0', id: '', source: 's', type: 't', data }
    expect(faultsOf(event, { contentType: 'application/cloudevents+json' })).toEqual(['id'])
  })
})
