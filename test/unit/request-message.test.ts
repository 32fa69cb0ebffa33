import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MAX_BODY_BYTES, parseRequestMessage } from '../../src/contracts/request-message.ts'
import { buildRequest, CANARY, toBody } from '../support/request-builder.ts'

function parse(
  value: unknown,
  { contentType = 'application/json', messageId }: { contentType?: string; messageId?: string } = {},
) {
  return parseRequestMessage({ body: toBody(value), contentType, messageId })
}

function commandOf(...input: Parameters<typeof parse>) {
  const result = parse(...input)
  if (!result.ok) throw new Error(JSON.stringify(result))
  return result.command
}

function faultsOf(...input: Parameters<typeof parse>): string[] {
  const result = parse(...input)
  return result.ok ? [] : result.detail.map(({ path }) => path)
}

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
    expect(parse(buildRequest(), { contentType }).ok).toBe(true)
  })
})

describe('field rules of the spec', () => {
  const four = '\u{1f600}'
  test.each<[string, unknown[], unknown[]]>([
    [
      'name',
      ['a', 'A-b_c.9', '-', '.', '服务器', '𠀀'.repeat(63), 'x'.repeat(63)],
      ['', 'x'.repeat(64), 'a b', 'é', 'ｗ', 'ы', 'a/b', 'web\n', 1, null, undefined, []],
    ],
    ['image_id', ['x', ' ', '任'], ['', 1, null, undefined, {}]],
    ['vpc_id', ['x'], ['', true, null, undefined]],
    [
      'network_interfaces',
      [[{ subnet_id: 'a' }], [{ subnet_id: 'a' }, { subnet_id: 'a' }]],
      [[], Array(3).fill({ subnet_id: 'a' }), {}, null, undefined, 'a', ['a']],
    ],
    [
      'password',
      [
        'Abcdefg1',
        'abcdefg1!',
        'ABCDEFG1:',
        'Abcdefg/',
        'Ab1'.padEnd(26, 'x'),
        'Ab1#&*~é服',
        `Abcdef1${four}`,
        'Root1234',
        'ADMINISTRATORa1',
      ],
      [
        '',
        'Abcdef1',
        'Ab1'.padEnd(27, 'x'),
        'abcdefgh1',
        'ABCDEFG#1',
        'Abcroot12',
        'Abctoor12',
        'xAdministrator1',
        'rotartsinimdA1!',
        `Abcde1${four}`,
        12345678,
        null,
        undefined,
        ['Abcdefg1'],
      ],
    ],
    [
      'metadata',
      [
        undefined,
        null,
        {},
        { 'a B_9:.-': '' },
        { k: four.repeat(255) },
        pairs(10),
        { ['k'.repeat(255)]: 'v' },
        { constructor: 'x' },
      ],
      [
        pairs(11),
        { '': 'v' },
        { ä: 'v' },
        { 'a/b': 'v' },
        { ['k'.repeat(256)]: 'v' },
        { k: four.repeat(256) },
        { k: 1 },
        { k: null },
        [],
        'k',
        JSON.parse('{"__proto__":1}'),
      ],
    ],
    [
      'description',
      [undefined, null, '', four.repeat(255), '\n'],
      [four.repeat(256), 'x'.repeat(256), 1, []],
    ],
    [
      'placement',
      [undefined, null, { server_id_set: ['a'] }, { server_id_set: Array(50).fill('a') }],
      [
        {},
        [],
        'a',
        { server_id_set: [] },
        { server_id_set: null },
        { server_id_set: Array(51).fill('a') },
        { server_id_set: [''] },
        { server_id_set: [1] },
        { server_id_set: 'a' },
        { server_id: 'a' },
      ],
    ],
    ['min_count', [undefined, null, 1, 100], [0, 101, -1, 1.5, '1', true, [], 1e300]],
    ['max_count', [undefined, null, 1, 100], [0, 101, -1, 1.5, '1', {}]],
  ])('%s', (field, valid, invalid) => {
    for (const value of valid) {
      expect(faultsOf(buildRequest({ spec: { [field]: value } })), JSON.stringify(value)).toEqual([])
    }
    for (const value of invalid) {
      const result = parse(buildRequest({ spec: { [field]: value } }))
      expect(result, JSON.stringify(value)).toMatchObject({ ok: false, code: 'invalid_request' })
      for (const path of faultsOf(buildRequest({ spec: { [field]: value } }))) {
        expect(`${path}.`).toMatch(new RegExp(`^spec\\.${field}\\.`))
      }
    }
  })

  test.each([
    [{ min_count: 3, max_count: 2 }, ['spec.max_count']],
    [{ min_count: 0, max_count: 101 }, ['spec.min_count', 'spec.max_count']],
    [{ placement: { server_id_set: ['a'] }, min_count: '1' }, ['spec.min_count']],
    [{ min_cuont: 2 }, ['spec.min_cuont']],
    [
      { network_interfaces: [{ subnet_id: 'a', ipv4_address: '10.0.0.1' }] },
      ['spec.network_interfaces.0.ipv4_address'],
    ],
    [{ network_interfaces: [{ subnet_id: 'a' }, {}] }, ['spec.network_interfaces.1.subnet_id']],
    [{ placement: { server_id_set: ['a'], x: 1 } }, ['spec.placement.x']],
    [{ placement: { server_id_set: ['a', ''] } }, ['spec.placement.server_id_set.1']],
    [{ metadata: { 'a/b': 1 } }, ['spec.metadata.a/b', 'spec.metadata.a/b']],
    [{ user_data: '' }, ['spec.user_data']],
  ])('%j has faults at %j', (spec, paths) => {
    expect(faultsOf(buildRequest({ spec }))).toEqual(paths)
  })

  function pairs(count: number) {
    return Object.fromEntries(Array.from({ length: count }, (_, index) => [`key${index}`, 'v']))
  }
})

describe('members beside the spec', () => {
  test.each<[string, unknown[], unknown[]]>([
    ['request_id', ['a', 'A.b_c:d~e-9', 'x'.repeat(128)], ['', 'x'.repeat(129), 'a b', 'a/b', 'é', 1, []]],
    ['project_id', ['a', 'A_b-9', 'x'.repeat(64)], ['', 'x'.repeat(65), 'a.b', 'a b', 1, null, undefined]],
    ['priority', [undefined, null, 0, 9], [-1, 10, 1.5, '1', true]],
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

describe('CloudEvents', () => {
  const envelope = (changes: Record<string, unknown> = {}) => ({
    specversion: '1.0',
    id: 'event-1',
    source: '/shop',
    type: 'order.placed',
    data: buildRequest({ request_id: undefined }),
    ...changes,
  })
  const contentType = 'application/cloudevents+json; charset=UTF-8'

  test('the id stands in for a missing request id, and for nothing else', () => {
    expect(commandOf(envelope(), { contentType, messageId: 'm-1' }).requestId).toBe('event-1')
    expect(commandOf(envelope({ data: buildRequest(), id: 'any thing' }), { contentType }).requestId).toBe(
      'order-1',
    )
    expect(faultsOf(envelope({ id: 'any thing' }), { contentType })).toEqual(['id'])
  })

  test.each<[Record<string, unknown>, string[]]>([
    [
      { time: '2026-01-01T00:00:00Z', subject: 's', dataschema: '/s', datacontenttype: 'application/json' },
      [],
    ],
    [{ traceparent: '00-x', count: 1, flag: true, unset: null }, []],
    [{ subject: null, time: null, datacontenttype: null, data_base64: null }, []],
    [{ datacontenttype: 'application/vnd.order+json; v=1' }, []],
    [{ specversion: '0.3' }, ['specversion']],
    [
      { specversion: undefined, id: undefined, source: '', type: 1 },
      ['specversion', 'id', 'source', 'type', 'data.request_id'],
    ],
    [{ data: undefined, data_base64: 'e30=' }, ['data', 'data_base64']],
    [{ data: 'text' }, ['data']],
    [{ time: 'now' }, ['time']],
    [{ datacontenttype: 'text/xml' }, ['datacontenttype']],
    [{ min_count: 2 }, ['min_count']],
    [{ spec: {} }, ['spec']],
    [{ data: { ...buildRequest(), prioritty: 1 } }, ['data.prioritty']],
    [{ data: buildRequest({ spec: { min_count: 2, max_count: 1 } }) }, ['data.spec.max_count']],
  ])('envelope with %j', (changes, paths) => {
    expect(faultsOf(envelope(changes), { contentType }).sort()).toEqual(paths.sort())
  })

  test('an envelope under a plain content type is no request', () => {
    expect(parse(envelope())).toMatchObject({ ok: false, code: 'invalid_request' })
  })
})

describe('rejections', () => {
  test('the size limit is 65,536 bytes', () => {
    const padded = (bytes: number) => {
      const text = JSON.stringify(buildRequest())
      return Buffer.from(text + ' '.repeat(bytes - text.length))
    }
    const rest = { contentType: undefined, messageId: undefined }
    expect(parseRequestMessage({ body: padded(MAX_BODY_BYTES), ...rest }).ok).toBe(true)
    expect(parseRequestMessage({ body: padded(MAX_BODY_BYTES + 1), ...rest })).toMatchObject({
      code: 'message_too_large',
      projectId: 'project-1',
      requestId: 'order-1',
    })
  })

  test.each([
    'text/plain',
    'application/xml',
    'application/json; charset=iso-8859-1',
    'application/cloudevents-batch+json',
    'json',
    ';charset=utf-8',
  ])('the content type %s is not supported', (contentType) => {
    expect(parse(buildRequest(), { contentType })).toMatchObject({
      code: 'unsupported_content_type',
      detail: [{ path: 'content_type' }],
      requestId: 'order-1',
    })
  })

  test('ids are told where they are readable, sound and beyond doubt', () => {
    const read = (text: string, messageId?: string) => {
      const result = parseRequestMessage({ body: Buffer.from(text), contentType: undefined, messageId })
      return result.ok ? result : [result.code, result.projectId, result.requestId]
    }
    expect(read('{"project_id":"p","request_id":"r"}')).toEqual(['invalid_request', 'p', 'r'])
    expect(read('{"project_id":"p"}', 'm')).toEqual(['invalid_request', 'p', 'm'])
    expect(read('{"project_id":"p p","request_id":"r"}')).toEqual(['invalid_request', undefined, 'r'])
    expect(read('{"project_id":"p","request_id":7}', 'm')).toEqual(['invalid_request', 'p', undefined])
    expect(read('{"project_id":"p","request_id":"r","spec":{"a":1,"a":2}}')).toEqual([
      'invalid_json',
      'p',
      'r',
    ])
    expect(read('{"project_id":"p","request_id":"r","request_id":"s"}')).toEqual([
      'invalid_json',
      'p',
      undefined,
    ])
    expect(read('{"project_id":"p","request_id":"r"')).toEqual(['invalid_json', undefined, undefined])
    expect(read('[]')).toEqual(['invalid_request', undefined, undefined])
  })

  test('a NUL character is a fault of the request, with the others', () => {
    const message = buildRequest({ spec: { description: 'a\0b', name: '' } })
    expect(parse(message)).toMatchObject({ code: 'invalid_request' })
    expect(faultsOf(message)).toEqual(['spec.description', 'spec.name'])
  })

  test('the detail is short enough for a header, however many and long the faults are', () => {
    const many = Object.fromEntries(Array.from({ length: 3000 }, (_, index) => [`k${index}`, 1]))
    const long = { ['x'.repeat(60_000)]: 1 }
    for (const message of [
      { ...buildRequest(), ...many },
      { ...buildRequest(), ...long },
      { spec: { metadata: many } },
    ]) {
      const result = parse(message)
      if (result.ok) throw new Error('accepted')
      expect(Buffer.byteLength(JSON.stringify(result.detail))).toBeLessThan(9000)
    }
    expect(faultsOf({ ...buildRequest(), ...many })).toHaveLength(51)
  })

  test('no detail holds the password, wherever the sender put it', () => {
    const places: ((password: string) => unknown)[] = [
      (password) => buildRequest({ spec: { password: `${password}\0` } }),
      (password) => buildRequest({ spec: { password: [password] } }),
      (password) => buildRequest({ spec: { password, [password]: 1 } }),
      (password) => buildRequest({ spec: { password, metadata: { [`${password}/`]: 'x' } } }),
      (password) => buildRequest({ [`x${password}`]: 1, spec: { password } }),
      (password) => ({ password }),
      (password) => ({ ...buildRequest(), spec: password }),
    ]
    const canary = fc.string({ minLength: 8, maxLength: 26 }).map((tail) => `${CANARY}${tail}`.slice(0, 26))
    fc.assert(
      fc.property(fc.constantFrom(...places), canary, fc.nat(), (place, password, cut) => {
        const text = JSON.stringify(place(password))
        for (const body of [
          text,
          text.slice(0, cut % text.length),
          text.replace(CANARY, 'Canary"Passw0rd!'),
        ]) {
          const result = parseRequestMessage({
            body: Buffer.from(body),
            contentType: undefined,
            messageId: undefined,
          })
          if (result.ok) continue
          expect(JSON.stringify(result)).not.toMatch(/Canary-P|Passw0rd!/)
        }
      }),
    )
  })
})
