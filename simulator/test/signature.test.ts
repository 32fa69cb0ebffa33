import { createHash, createHmac, hkdfSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  canonicalRequest,
  readClaim,
  readSdkDate,
  sdkDate,
  signatureOf,
  type WireCall,
} from '../signature.ts'
import { authorizationOf, encodePart, type PlainCall, urlOf } from './signer.ts'

type Vector = {
  name: string
  method: string
  url: string
  headers: Record<string, string>
  body: string
  canonical_request: string
  signature: string
  authorization: string
}
type Derived = { name: string; derived_key_hex: string; signature: string }

const file: { ak: string; sk: string; date: string; vectors: (Vector | Derived)[] } = JSON.parse(
  readFileSync('test/vectors/huawei-auth-vectors.json', 'utf8'),
)
const isPlain = (vector: Vector | Derived): vector is Vector => 'url' in vector

const wireOf = (method: string, address: string, headers: Record<string, string>, body = ''): WireCall => ({
  method,
  url: address.replace(/^https?:\/\/[^/]+/, ''),
  headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
  body: Buffer.from(body),
})

/** What derived signing (V11-HMAC-SHA256) makes of a canonical request. */
function derive(
  canonical: string,
  keys: { ak: string; sk: string; date: string; region: string; service: string },
) {
  const info = `${keys.date.slice(0, 8)}/${keys.region}/${keys.service}`
  const key = Buffer.from(hkdfSync('sha256', keys.sk, keys.ak, info, 32)).toString('hex')
  const hash = createHash('sha256').update(canonical).digest('hex')
  const signature = createHmac('sha256', key)
    .update(`V11-HMAC-SHA256\n${keys.date}\n${info}\n${hash}`)
    .digest('hex')
  return { key, signature }
}

describe('the vectors', () => {
  it.each(file.vectors.filter(isPlain))('$name', (vector) => {
    const call = wireOf(vector.method, vector.url, vector.headers, vector.body)
    const claim = readClaim({ ...call.headers, authorization: vector.authorization })
    if (!claim) throw new Error('the header was not read')
    const canonical = canonicalRequest(call, claim.signedHeaders)
    expect(canonical).toBe(vector.canonical_request)
    expect(signatureOf(canonical, file.date, file.sk)).toBe(vector.signature)
    expect(claim).toMatchObject({ accessKey: file.ak, signature: vector.signature })
  })

  it('derived signing of the sixth', () => {
    const base = file.vectors.filter(isPlain).find(({ name }) => name.startsWith('V06'))
    const derived = file.vectors.find((vector): vector is Derived => !isPlain(vector))
    const { ak, sk, date } = file
    const made = derive(base?.canonical_request ?? '', {
      ak,
      sk,
      date,
      region: 'cn-southwest-2',
      service: 'clouddc',
    })
    expect(made).toEqual({ key: derived?.derived_key_hex, signature: derived?.signature })
  })
})

describe('the public vectors', () => {
  const python = {
    headers: { host: 'service.endpoint.myhuaweicloud.com', 'x-sdk-date': '20200608T023900Z' },
    url: '/resources?size=1',
  }
  const go = { 'x-sdk-date': '20060102T150405Z' }
  const rows: [string, string, string, Record<string, string>, string, string, string?][] = [
    [
      'signing guide',
      'GET',
      '/v1/77b6a44cba5143ab91d13ab9a8ff44fd/vpcs?limit=2&marker=13551d6b-755d-4757-b956-536f674975c0',
      {
        'content-type': 'application/json',
        host: 'service.region.example.com',
        'x-sdk-date': '20191115T033655Z',
      },
      '',
      '7be6668032f70418fcc22abc52071e57aff61b84a1d2381bb430d6870f4f6ebe',
    ],
    [
      'Python GET',
      'GET',
      python.url,
      python.headers,
      '',
      'cfb4171acec81de07d50e53d57eb77edd537414d66ddb1d7d780f128e12cd842',
      'f7dfee056692e58dede80fc80cb89bbfabf45552dd7cd8d18a0a13484455b98e',
    ],
    [
      'Python POST',
      'POST',
      python.url,
      python.headers,
      '{"name":"test","id":1}',
      '436b1ac0a1ae03705934bb70ef2f2e09f7bfed2117d731a38235053199323a1f',
      '8e2d91eaf9656ec5d6fab27812e2d898a35aaaa5e16ee0a0365c38527ccfb3cf',
    ],
    [
      'Go GET',
      'GET',
      '/path?limit=1',
      go,
      '',
      '5a2ce64c865e0e6046321c6f3d5a77ba8413eeaf355c3166c03d58d02ac79624',
      '8fd3610508884bb19718317797c7378716a94bc740d97502e569322e366341cc',
    ],
    [
      'Go POST',
      'POST',
      '/path?key=value',
      go,
      '{"Name":"test","Id":1}\n',
      'cecc2af119b18ab70b4d094c0750f3b42c02f254903179a0fc2cc72fc9db4f59',
      '4112f88b92d82dd1e1b7dd142f1e99e4f1762c42ca8fe0968b3045120870a903',
    ],
  ]
  it.each(rows)('%s', (name, method, url, headers, body, signature, derived) => {
    const [ak, sk] =
      name === 'signing guide'
        ? ['QTWAOYTTINDUT2QVKYUC', 'MFyfvK41ba2giqM7Uio6PznpdUKGpownRZlmVmHc']
        : ['AccessKey', 'SecretKey']
    const canonical = canonicalRequest(wireOf(method, url, headers, body), Object.keys(headers))
    const date = headers['x-sdk-date'] ?? ''
    expect(signatureOf(canonical, date, sk)).toBe(signature)
    if (derived === undefined) return
    expect(derive(canonical, { ak, sk, date, region: 'test-region-1', service: 'demo' }).signature).toBe(
      derived,
    )
  })

  it('encoding of a query', () => {
    const url = `/?limit=1&enable=true&test=${encodePart('一 (&=?!#%.*)')}&path=/tmp/123&multi=3&multi=1&multi=2`
    expect(canonicalRequest(wireOf('GET', url, {}), []).split('\n')[2]).toBe(
      'enable=true&limit=1&multi=1&multi=2&multi=3&path=%2Ftmp%2F123&test=%E4%B8%80%20%28%26%3D%3F%21%23%25.%2A%29',
    )
  })
})

const part = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).map((text) => text.toWellFormed())
const headerValue = fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/)
const calls: fc.Arbitrary<PlainCall> = fc.record({
  method: fc.constantFrom('GET', 'POST', 'DELETE'),
  // A browser would resolve these; they cannot come over the wire.
  segments: fc.array(
    part.filter((text) => text !== '.' && text !== '..'),
    { minLength: 1, maxLength: 5 },
  ),
  query: fc.array(fc.tuple(part, fc.oneof(part, fc.constant(''))), { maxLength: 6 }),
  headers: fc.record({
    host: fc.constant('127.0.0.1:9090'),
    'x-sdk-date': fc.constant('20261123T120000Z'),
    'x-project-id': headerValue,
    'content-type': fc.constant('application/json'),
  }),
  body: fc.string({ unit: 'grapheme' }),
})

const signedOf = (call: PlainCall): WireCall => ({
  method: call.method,
  url: urlOf(call),
  headers: { ...call.headers, authorization: authorizationOf(call, 'AK', 'SK') },
  body: Buffer.from(call.body),
})

function isGood(call: WireCall): boolean {
  const claim = readClaim(call.headers)
  if (!claim) return false
  const canonical = canonicalRequest(call, claim.signedHeaders)
  return signatureOf(canonical, String(call.headers['x-sdk-date']), 'SK') === claim.signature
}

describe('a signature', () => {
  it('is good for the call it was made for, however its query is ordered on the way', () => {
    fc.assert(
      fc.property(calls, fc.nat(), (call, turn) => {
        expect(isGood(signedOf(call))).toBe(true)
        const at = turn % (call.query.length + 1)
        const turned = [...call.query.slice(at), ...call.query.slice(0, at)]
        expect(isGood({ ...signedOf(call), url: urlOf({ ...call, query: turned }) })).toBe(true)
      }),
    )
  })

  it('is good whatever happens to headers that it leaves out', () => {
    fc.assert(
      fc.property(calls, headerValue, (call, value) => {
        const { headers, ...rest } = signedOf(call)
        expect(isGood({ ...rest, headers: { ...headers, 'user-agent': value, via: value } })).toBe(true)
      }),
    )
  })

  it('is good for no other call', () => {
    fc.assert(
      fc.property(calls, part, fc.nat(), (call, text, at) => {
        const signed = signedOf(call)
        const { authorization = '' } = signed.headers
        const segments = call.segments.with(at % call.segments.length, text)
        const query = [...call.query, [text, ''] as const]
        const headers = { ...call.headers, 'x-project-id': `${call.headers['x-project-id']}x` }
        const others: PlainCall[] = [
          { ...call, method: call.method === 'GET' ? 'POST' : 'GET' },
          { ...call, query },
          { ...call, headers },
          { ...call, headers: { ...call.headers, host: '127.0.0.1:9091' } },
          { ...call, headers: { ...call.headers, 'x-sdk-date': '20261123T120001Z' } },
          { ...call, body: `${call.body} ` },
          ...(call.segments[at % call.segments.length] === text ? [] : [{ ...call, segments }]),
        ]
        for (const other of others) {
          const wire = signedOf(other)
          expect(isGood({ ...wire, headers: { ...wire.headers, authorization } })).toBe(false)
        }
      }),
    )
  })

  it('covers a slash at the end of a path once', () => {
    const paths = ['/', '/a', '/a/'].map((url) => canonicalRequest(wireOf('GET', url, {}), []).split('\n')[1])
    expect(paths).toEqual(['/', '/a/', '/a/'])
  })

  it('is good for no other way to write a blank, nor for a plus as it is', () => {
    const call = { method: 'GET', segments: ['a'], query: [['q', 'x y']], headers: {}, body: '' } as const
    const signed = signedOf({ ...call, headers: { 'x-sdk-date': '20261123T120000Z' } })
    expect(isGood(signed)).toBe(true)
    expect(isGood({ ...signed, url: '/a?q=x+y' })).toBe(false)
    const plus = signedOf({ ...call, query: [['q', 'x+y']], headers: { 'x-sdk-date': '20261123T120000Z' } })
    expect([isGood(plus), isGood({ ...plus, url: '/a?q=x+y' })]).toEqual([true, false])
  })
})

describe('UNSIGNED-PAYLOAD', () => {
  const headers = { 'x-sdk-date': '20261123T120000Z', 'x-sdk-content-sha256': 'UNSIGNED-PAYLOAD' }
  const lastLine = (names: string[]) =>
    canonicalRequest(wireOf('POST', '/', headers, 'body'), names)
      .split('\n')
      .at(-1)

  it('stands for the hash only where its header is signed', () => {
    expect(lastLine(['x-sdk-content-sha256', 'x-sdk-date'])).toBe('UNSIGNED-PAYLOAD')
    expect(lastLine(['x-sdk-date'])).toBe(createHash('sha256').update('body').digest('hex'))
  })

  it('is the only claim that counts: any other is checked', () => {
    const claimed = { ...headers, 'x-sdk-content-sha256': 'a'.repeat(64) }
    const canonical = canonicalRequest(wireOf('POST', '/', claimed, 'body'), ['x-sdk-content-sha256'])
    expect(canonical.split('\n').at(-1)).toBe(createHash('sha256').update('body').digest('hex'))
  })
})

describe('the parts', () => {
  it.each([
    'SDK-HMAC-SHA256',
    'SDK-HMAC-SHA256 Access=a, SignedHeaders=host',
    'SDK-HMAC-SHA256 Access=a, SignedHeaders=host, Signature=xyz',
    'Bearer a',
    '',
  ])('of %j are none', (authorization) => {
    expect(readClaim({ authorization })).toBeNull()
  })

  it('a header with an underscore counts as empty', () => {
    const call = wireOf('GET', '/', { x_a: 'b' })
    expect(canonicalRequest(call, ['x_a'])).toContain('\nx_a:\n')
  })

  it('dates are read as they are written, and no others', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_000_000_000 }), (second) => {
        expect(readSdkDate(sdkDate(second * 1000))).toBe(second * 1000)
      }),
    )
    for (const text of [
      '',
      '20261323T120000Z',
      '2026-11-23T12:00:00Z',
      '20261123T120000',
      '20260230T120000Z',
    ]) {
      expect(readSdkDate(text)).toBeNull()
    }
  })
})
