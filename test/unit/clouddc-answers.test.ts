import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { answerFacts } from '../../src/clouddc/answer.ts'
import { cleanText, secretsOf } from '../../src/clouddc/clean-text.ts'
import { parseErrorBody } from '../../src/clouddc/error-body.ts'
import { parseRetryAfter } from '../../src/clouddc/retry-after.ts'

const NOW = Date.parse('Mon, 23 Nov 2026 12:00:00 GMT')

describe('Retry-After', () => {
  it.each([
    ['0', null],
    ['0.001', 1000],
    ['3', 3000],
    [' 2.5 ', 2500],
    ['999999999', 600_000],
    ['Mon, 23 Nov 2026 12:00:30 GMT', 30_000],
    ['Mon, 23 Nov 2026 11:00:00 GMT', null],
    ['Mon, 23 Nov 2026 12:00:00 GMT', null],
    ['Tue, 24 Nov 2026 12:00:00 GMT', 600_000],
    ['-1', null],
    ['soon', null],
    ['', null],
    ['2026-11-23', null],
    ['1e3', null],
    ['Infinity', null],
  ])('%j is %j', (value, expected) => {
    expect(parseRetryAfter(value, undefined, NOW)).toBe(expected)
  })

  it('counts a date from the answer, not from our clock', () => {
    const [date, until] = ['Mon, 23 Nov 2026 10:00:00 GMT', 'Mon, 23 Nov 2026 10:00:05 GMT']
    expect(parseRetryAfter(until, date, NOW)).toBe(5000)
  })

  it('is absent, or within its bounds', () => {
    expect(parseRetryAfter(undefined, undefined, NOW)).toBeNull()
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.double().map(String), fc.date({ noInvalidDate: true }).map(String)),
        (value) => {
          const wait = parseRetryAfter(value, undefined, NOW)
          expect(wait === null || (wait >= 1000 && wait <= 600_000)).toBe(true)
        },
      ),
    )
  })
})

describe('the body of a failed call', () => {
  it.each([
    ['{"error_msg":"m","error_code":"iMetal.0001","request_id":"r"}', 'iMetal.0001', 'm', 'r'],
    ['{"errorCode":"c","errorMsg":"m"}', 'c', 'm', null],
    ['{"code":"c","message":"m"}', 'c', 'm', null],
    ['{"error_code":"first","error_msg":"m1","code":"last","message":"m2"}', 'first', 'm1', null],
    ['{"code":"c","message":"m","error":{"error_code":"inner","error_msg":"n"}}', 'c', 'm', null],
    ['{"error":{"code":401,"message":"wrong","title":"Unauthorized"}}', '401', 'wrong', null],
    ['{"fault":{"error_code":"c","error_msg":"m"}}', 'c', 'm', null],
    ['{"error_code":"c"}', 'c', null, null],
    ['{"message":"m"}', null, 'm', null],
    ['"slow down"', null, 'slow down', null],
    ['slow down', null, 'slow down', null],
    ['<html>', null, '<html>', null],
    ['[1]', null, '[1]', null],
    ['{"x":1}', null, '{"x":1}', null],
    ['null', null, 'null', null],
    ['""', null, null, null],
    ['  ', null, null, null],
  ])('%s', (text, code, message, requestId) => {
    expect(parseErrorBody(text)).toEqual({ code, message, requestId })
  })

  it('never throws', () => {
    fc.assert(fc.property(fc.oneof(fc.json(), fc.string()), (text) => void parseErrorBody(text)))
  })
})

describe("CloudDC's id of a call", () => {
  const idOf = (header: string | string[] | undefined, body: unknown = '', status = 500) =>
    answerFacts(
      {
        kind: 'response',
        status,
        headers: header === undefined ? {} : ({ 'x-request-id': header } as Record<string, string>),
        body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
        complete: true,
      },
      () => ['Canary-1!'],
    ).upstreamRequestId

  it.each<[string, string | string[] | undefined, unknown, string | null]>([
    ['the header', 'req-1', { request_id: 'other' }, 'req-1'],
    ['the first of several headers', ['req-1', 'req-2'], '', 'req-1'],
    ["the body of the gateway's refusal", undefined, { error_code: 'APIGW.0101', request_id: 'r' }, 'r'],
    ['the body, where the header is empty', ' ', { request_id: 'r' }, 'r'],
    ['neither', undefined, '<html>', null],
    ['a header too long', 'x'.repeat(1000), '', 'x'.repeat(128)],
    ['a header with other characters', 'a\u00e9\u4e2d\tb', '', 'a? b'],
    ['a header that quotes a secret', 'Canary-1!', '', '[redacted]'],
  ])('is that of %s', (_, header, body, expected) => {
    expect(idOf(header, body)).toBe(expected)
  })

  it('is kept of every status, and is always printable', () => {
    fc.assert(
      fc.property(fc.integer({ min: 200, max: 599 }), fc.string({ unit: 'binary' }), (status, header) => {
        expect(idOf(header, '', status) ?? '').toMatch(/^[\x20-\x7e]{0,128}$/)
        expect(idOf('req-1', '', status)).toBe('req-1')
      }),
    )
  })
})

describe('text from outside', () => {
  it('loses every spelling of a password', () => {
    const password = fc.string({
      minLength: 8,
      maxLength: 26,
      unit: fc.constantFrom(...'aB1!@$%^-_=+[{}]:,./?"<&\\'),
    })
    fc.assert(
      fc.property(password, fc.string(), fc.string(), (secret, before, after) => {
        const body = JSON.stringify({ password: secret })
        const secrets = secretsOf(body, {})
        for (const spelling of [secret, JSON.stringify(secret), encodeURIComponent(secret), body]) {
          const clean = cleanText(`${before} ${spelling} ${after}`, secrets)
          expect(`${before} ${after}`.includes(secret) || !clean.includes(secret)).toBe(true)
        }
      }),
    )
  })

  it('keeps what is said about a password', () => {
    const words = 'parameter "password" has an invalid value: password: must have 8-26 characters'
    expect(cleanText(words, secretsOf('{"password":"Secret-1"}', {}))).toBe(words)
  })

  it('is not disturbed by a body that is no JSON or has no password', () => {
    for (const body of ['', 'x', '{}', 'null', '{"password":1}']) {
      expect(cleanText('hello', secretsOf(body, {}))).toBe('hello')
    }
  })
})
