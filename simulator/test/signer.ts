import { createHash, createHmac } from 'node:crypto'

/** A call before it is encoded. Names of headers are in lower case; all of them are signed. */
export type PlainCall = {
  method: string
  /** Decoded, without the slash in front. */
  segments: readonly string[]
  query: readonly (readonly [name: string, value: string])[]
  headers: Readonly<Record<string, string>>
  body: string
}

/** As the vendor's SDKs encode: what JavaScript leaves open is encoded too. */
export const encodePart = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)

const sha = (text: string) => createHash('sha256').update(text).digest('hex')
const pathOf = ({ segments }: PlainCall) => `/${segments.map(encodePart).join('/')}`
const pairsOf = ({ query }: PlainCall) => query.map(([name, value]) => [encodePart(name), encodePart(value)])

/** Path and query for the request line, the query in the order given. */
export function urlOf(call: PlainCall): string {
  const text = pairsOf(call)
    .map(([name, value]) => `${name}=${value}`)
    .join('&')
  return text === '' ? pathOf(call) : `${pathOf(call)}?${text}`
}

/** The test's own signer, which the simulator's reading is held against: from what was meant, not from the wire. */
export function authorizationOf(call: PlainCall, accessKey: string, secretKey: string): string {
  const order = (a: string | undefined = '', b: string | undefined = '') => (a < b ? -1 : a > b ? 1 : 0)
  const query = pairsOf(call)
    .sort((a, b) => order(a[0], b[0]) || order(a[1], b[1]))
    .map((pair) => pair.join('='))
  const headers = Object.entries(call.headers).sort(([a], [b]) => order(a, b))
  const names = headers.map(([name]) => name).join(';')
  const path = pathOf(call)
  const canonical = [
    call.method,
    path.endsWith('/') ? path : `${path}/`,
    query.join('&'),
    headers.map(([name, value]) => `${name}:${value.trim()}\n`).join(''),
    names,
    sha(call.body),
  ].join('\n')
  const signature = createHmac('sha256', secretKey)
    .update(`SDK-HMAC-SHA256\n${call.headers['x-sdk-date']}\n${sha(canonical)}`)
    .digest('hex')
  return `SDK-HMAC-SHA256 Access=${accessKey}, SignedHeaders=${names}, Signature=${signature}`
}
