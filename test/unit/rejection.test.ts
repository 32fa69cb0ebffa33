import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MAX_BODY_BYTES, parseRequestMessage } from '../../src/contracts/request-message.ts'
import { buildRequest, CANARY, faultsOf, parseMessage, toBody } from '../support/request-builder.ts'

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
    expect(parseMessage(buildRequest(), { contentType })).toMatchObject({
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

  test('an id that two readers may read differently is not told', () => {
    const read = (text: string, contentType?: string) => {
      const result = parseRequestMessage({ body: Buffer.from(text), contentType, messageId: 'm' })
      return result.ok ? result : [result.code, result.projectId, result.requestId]
    }
    const data = '"data":{"project_id":"p","request_id":"r"}'
    const event = 'application/cloudevents+json'
    expect(read(`{"id":"e",${data}}`, event)).toEqual(['invalid_request', 'p', 'r'])
    expect(read(`{"id":"e",${data},${data}}`, event)).toEqual(['invalid_json', undefined, undefined])
    const many = Array(60).fill('"a":1').join()
    expect(read(`{"project_id":"p",${many},"project_id":"q"}`)).toEqual(['invalid_json', undefined, 'm'])
    expect(read('{"project_id":"p","request_id":"r","request_id":null}')).toEqual([
      'invalid_json',
      'p',
      undefined,
    ])
  })

  test('what holds a secret is told neither as an id nor in its tracing', () => {
    const secret = 'Canary-Passw0rd'
    const headers = { traceparent: `00-${secret}`, tracestate: 'shop=1' }
    const tell = (changes: Parameters<typeof buildRequest>[0], correlationId: string) => {
      const message = buildRequest({ ...changes, extra: 1 })
      const result = parseRequestMessage({
        ...{ body: toBody(message), contentType: undefined, messageId: undefined },
        ...{ correlationId, headers },
      })
      return result.ok ? result : [result.projectId, result.requestId, result.tracing]
    }
    const spec = { password: secret }
    const tracing = { correlationId: null, traceparent: null, tracestate: 'shop=1' }
    expect(tell({ spec, request_id: secret }, `x${secret}`)).toEqual(['project-1', undefined, tracing])
    expect(tell({ spec, project_id: `a${secret}` }, 'a\0b')).toEqual([undefined, 'order-1', tracing])
    expect(tell({ spec: { password: [{ [secret]: 1 }] }, request_id: secret }, secret)).toEqual([
      'project-1',
      undefined,
      tracing,
    ])
    expect(tell({ spec }, 'desk-1')).toEqual([
      'project-1',
      'order-1',
      { ...tracing, correlationId: 'desk-1' },
    ])
  })

  test.each<[string, unknown, string[]]>([
    [
      'a plausible name is shown',
      buildRequest({ prioritty: 1, 'cost-center': 1 }),
      ['prioritty', 'cost-center'],
    ],
    [
      'a name that is none stands by its place',
      buildRequest({ 'a b': 1, x: { y: 1 }, 'a/b': 1 }),
      ['[3]', 'x', '[5]'],
    ],
    ['a long name stands by its place', buildRequest({ ['x'.repeat(41)]: 1 }), ['[3]']],
    [
      'a usual name of a password is shown',
      buildRequest({ Password: 1, admin_pass: 1 }),
      ['Password', 'admin_pass'],
    ],
    [
      'a name with the password in it is not',
      buildRequest({ [`password${CANARY}`]: 1, CanaryPass: 1 }),
      ['[3]', '[4]'],
    ],
    [
      'without a password, a name that could be it is not shown',
      buildRequest({ spec: { password: undefined, Sup3rCanary: 1, user_data: 1 } }),
      ['spec[4]', 'spec.user_data', 'spec.password'],
    ],
    [
      'a path ends at a secret member',
      buildRequest({ spec: { password: { [CANARY]: ['\0', { deep: '\0' }] } } }),
      ['spec.password', 'spec.password', 'spec.password'],
    ],
    [
      'an index is shown, and a key of metadata as any other',
      buildRequest({ spec: { metadata: { team: 1, 'a b': 1, [CANARY]: 1 } } }),
      ['spec.metadata.team', 'spec.metadata[1]', 'spec.metadata[2]', 'spec.metadata[2]'],
    ],
  ])('in a path, %s', (_, message, paths) => {
    expect(faultsOf(message)).toEqual(paths)
  })

  test('in a path of a broken text no name is shown but those of the contract', () => {
    const read = (text: string) => {
      const result = parseRequestMessage({
        body: Buffer.from(text),
        contentType: undefined,
        messageId: undefined,
      })
      return result.ok ? result : result.detail.map(({ path }) => path)
    }
    expect(read('{"spec":{"password":{"Sup3r-Secret!"}}}')).toEqual(['spec.password'])
    expect(read('{"spec":{"name":"a","passwordSup3r-Secret!"}}')).toEqual(['spec'])
    expect(read('{"Sup3rCanary":{"spec":[{"a" 1}]}}')).toEqual(['[0].spec.0'])
    expect(read('{"priority":1,"team":1,"team":2}')).toEqual(['[2]'])
  })

  test('a NUL character is a fault of the request, with the others', () => {
    const message = buildRequest({ spec: { description: 'a\0b', name: '' } })
    expect(parseMessage(message)).toMatchObject({ code: 'invalid_request' })
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
      const result = parseMessage(message)
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
