import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { percentEncode, type Query, queryString } from '../../src/clouddc/auth/percent-encoding.ts'
import { sdkDate, signatureOf } from '../../src/clouddc/auth/signing.ts'

interface Vector {
  name: string
  method: string
  url: string
  headers: Record<string, string>
  body: string
  authorization: string
}

const file = new URL('../vectors/huawei-auth-vectors.json', import.meta.url)
const { ak, sk, vectors } = JSON.parse(readFileSync(file, 'utf8')) as {
  ak: string
  sk: string
  vectors: Vector[]
}

/** Derived signing is for other hosts, and an unsigned payload for bodies that are not JSON: neither is ever sent. */
const usable = vectors.filter(({ name }) => !/^D\d|UNSIGNED-PAYLOAD/.test(name))

function sign(
  { method, url, headers, body }: Omit<Vector, 'name' | 'authorization'>,
  key = { ak, sk },
): string {
  const { pathname, searchParams } = new URL(url)
  const query: Query = [...searchParams]
  const request = { method, path: pathname, query, headers, body: Buffer.from(body) }
  return signatureOf(request, { accessKey: key.ak, secretKey: key.sk })
}

describe('signatures of the vendor', () => {
  it('there are vectors', () => expect(usable.length).toBeGreaterThanOrEqual(11))

  it.each(usable)('$name', (vector) => {
    expect(sign(vector)).toBe(vector.authorization)
  })

  const published = [
    {
      from: 'the signing guide',
      method: 'GET',
      url: 'https://service.region.example.com/v1/77b6a44cba5143ab91d13ab9a8ff44fd/vpcs?limit=2&marker=13551d6b-755d-4757-b956-536f674975c0',
      headers: {
        'content-type': 'application/json',
        host: 'service.region.example.com',
        'x-sdk-date': '20191115T033655Z',
      },
      body: '',
      key: { ak: 'QTWAOYTTINDUT2QVKYUC', sk: 'MFyfvK41ba2giqM7Uio6PznpdUKGpownRZlmVmHc' },
      signature: '7be6668032f70418fcc22abc52071e57aff61b84a1d2381bb430d6870f4f6ebe',
    },
    {
      from: 'the SDK for Python, GET',
      method: 'GET',
      url: 'https://service.endpoint.myhuaweicloud.com/resources?size=1',
      headers: { host: 'service.endpoint.myhuaweicloud.com', 'x-sdk-date': '20200608T023900Z' },
      body: '',
      key: { ak: 'AccessKey', sk: 'SecretKey' },
      signature: 'cfb4171acec81de07d50e53d57eb77edd537414d66ddb1d7d780f128e12cd842',
    },
    {
      from: 'the SDK for Python, POST',
      method: 'POST',
      url: 'https://service.endpoint.myhuaweicloud.com/resources?size=1',
      headers: { host: 'service.endpoint.myhuaweicloud.com', 'x-sdk-date': '20200608T023900Z' },
      body: '{"name":"test","id":1}',
      key: { ak: 'AccessKey', sk: 'SecretKey' },
      signature: '436b1ac0a1ae03705934bb70ef2f2e09f7bfed2117d731a38235053199323a1f',
    },
    {
      from: 'the SDK for Go, GET',
      method: 'GET',
      url: 'https://any/path?limit=1',
      headers: { 'x-sdk-date': '20060102T150405Z' },
      body: '',
      key: { ak: 'AccessKey', sk: 'SecretKey' },
      signature: '5a2ce64c865e0e6046321c6f3d5a77ba8413eeaf355c3166c03d58d02ac79624',
    },
    {
      from: 'the SDK for Go, POST',
      method: 'POST',
      url: 'https://any/path?key=value',
      headers: { 'x-sdk-date': '20060102T150405Z' },
      body: '{"Name":"test","Id":1}\n',
      key: { ak: 'AccessKey', sk: 'SecretKey' },
      signature: 'cecc2af119b18ab70b4d094c0750f3b42c02f254903179a0fc2cc72fc9db4f59',
    },
  ]

  it.each(published)('of $from', ({ key, signature, ...request }) => {
    expect(sign(request, key)).toMatch(new RegExp(`Signature=${signature}$`))
  })
})

it('a query is encoded as the SDKs for Python and Go do it', () => {
  const query = [
    ['limit', '1'],
    ['enable', 'true'],
    ['test', '一 (&=?!#%.*)'],
    ['path', '/tmp/123'],
    ['multi', '3'],
    ['multi', '1'],
    ['multi', '2'],
  ] as const
  expect(queryString(query)).toBe(
    'enable=true&limit=1&multi=1&multi=2&multi=3&path=%2Ftmp%2F123&test=%E4%B8%80%20%28%26%3D%3F%21%23%25.%2A%29',
  )
})

it('what is encoded holds unreserved characters and escapes only, and is decoded to the same', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const encoded = percentEncode(text)
      expect(encoded).toMatch(/^(?:[A-Za-z0-9\-._~]|%[0-9A-F]{2})*$/)
      expect(decodeURIComponent(encoded)).toBe(text)
    }),
  )
})

it('a lone surrogate is replaced', () => {
  expect(percentEncode('\ud800')).toBe('%EF%BF%BD')
})

it('a path that would have to be encoded is not signed', () => {
  const request = { method: 'GET', query: [], headers: {}, body: new Uint8Array() }
  const key = { accessKey: 'a', secretKey: 's' }
  for (const path of ['/a%20b', '/a b', '/ü'])
    expect(() => signatureOf({ ...request, path }, key)).toThrow(RangeError)
})

it('a date is written without separators and fractions', () => {
  expect(sdkDate(new Date('2026-11-23T12:00:00.987Z'))).toBe('20261123T120000Z')
})
