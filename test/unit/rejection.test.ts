import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MAX_BODY_BYTES, parseRequestMessage } from '../../src/contracts/request-message.ts'
import { buildRequest, CANARY, faultsOf, parseMessage } from '../support/request-builder.ts'

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
