import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { createKeyRing } from '../keys.ts'
import { resolveOptions } from '../options.ts'
import { readSdkDate } from '../signature.ts'

type Vector = {
  name: string
  method: string
  url?: string
  headers: Record<string, string>
  body: string
  authorization: string
}

const file: { ak: string; sk: string; date: string; vectors: Vector[] } = JSON.parse(
  readFileSync('test/vectors/huawei-auth-vectors.json', 'utf8'),
)
const signedAt = readSdkDate(file.date) ?? 0

/** What the gateway says to a vector's call when it comes `laterMs` after it was signed. */
function judge({ method, url = '', headers, body, authorization }: Vector, laterMs = 0, changed = {}) {
  const sent = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
  const token = sent['x-security-token']
  const aksk = [`${file.ak}:${file.sk}${token === undefined ? '' : `:${token}`}`]
  const keys = createKeyRing({ settings: resolveOptions({ aksk, quoteCanonical: false }) })
  const call = {
    method,
    url: url.replace(/^https?:\/\/[^/]+/, ''),
    headers: { ...sent, authorization, ...changed },
    body: Buffer.from(body),
  }
  return keys.verify(call, signedAt + laterMs)
}

describe('the gateway', () => {
  const vectors = file.vectors.filter(({ url }) => url !== undefined)

  it.each(vectors)('takes $name, for a quarter of an hour', (vector) => {
    expect(judge(vector)).toEqual({ user: file.ak })
    expect(judge(vector, 900_000)).toEqual({ user: file.ak })
    expect(judge(vector, 900_001)).toEqual({ refused: expect.stringContaining('signature expired') })
  })

  it.each(vectors)('refuses $name for another host', (vector) => {
    expect(judge(vector, 0, { host: 'elsewhere' })).toEqual({ refused: 'verify aksk signature fail' })
  })

  it('takes UNSIGNED-PAYLOAD with any body, and a hash with its own only', () => {
    const [unsigned] = vectors.filter(({ name }) => name.includes('UNSIGNED-PAYLOAD'))
    const [hashed] = vectors.filter(({ name }) => name.startsWith('V06'))
    if (!unsigned || !hashed) throw new Error('the vectors are not there')
    expect(judge({ ...unsigned, body: 'other' })).toEqual({ user: file.ak })
    expect(judge({ ...hashed, body: 'other' })).toEqual({ refused: 'verify aksk signature fail' })
    const claimed = { 'x-sdk-content-sha256': 'UNSIGNED-PAYLOAD' }
    expect(judge({ ...hashed, body: 'other' }, 0, claimed)).toEqual({ refused: 'verify aksk signature fail' })
  })
})
