import { createHash, createHmac } from 'node:crypto'

/** A call as it came over the wire, nothing decoded. Names of headers are in lower case. */
export type WireCall = {
  method: string
  /** Path and query of the request line. */
  url: string
  headers: Readonly<Record<string, string | string[] | undefined>>
  body: Uint8Array
}

/** What an `Authorization` header claims. */
export type Claim = { accessKey: string; signedHeaders: string[]; signature: string }

const algorithm = 'SDK-HMAC-SHA256'
const unsignedPayload = 'UNSIGNED-PAYLOAD'
const form = /^SDK-HMAC-SHA256 Access=([^,\s]+), ?SignedHeaders=([^,\s]+), ?Signature=([0-9a-f]{64})$/

export const isSigned = (headers: WireCall['headers']): boolean =>
  headerOf(headers, 'authorization').startsWith(algorithm)

/** null: not of the form that the algorithm asks for. */
export function readClaim(headers: WireCall['headers']): Claim | null {
  const [, accessKey, names, signature] = form.exec(headerOf(headers, 'authorization')) ?? []
  if (accessKey === undefined || names === undefined || signature === undefined) return null
  return { accessKey, signedHeaders: names.split(';'), signature }
}

/**
 * The text that a signature of this call covers, rebuilt from what came. A header that is named but did not come, or
 * whose name has an underscore (proxies drop these), counts as empty.
 */
export function canonicalRequest(
  { method, url, headers, body }: WireCall,
  signedHeaders: readonly string[],
): string {
  const mark = url.indexOf('?')
  const names = signedHeaders.map((name) => name.toLowerCase()).sort()
  const sent = (name: string) => (name.includes('_') ? '' : headerOf(headers, name))
  const unsigned = names.includes('x-sdk-content-sha256') && sent('x-sdk-content-sha256') === unsignedPayload
  return [
    method.toUpperCase(),
    canonicalPath(mark < 0 ? url : url.slice(0, mark)),
    canonicalQuery(mark < 0 ? '' : url.slice(mark + 1)),
    ...names.map((name) => `${name}:${sent(name)}`),
    '',
    names.join(';'),
    unsigned ? unsignedPayload : sha256(body),
  ].join('\n')
}

/** The signature of a canonical request made at `date` (the text of X-Sdk-Date), in hex. */
export function signatureOf(canonical: string, date: string, secretKey: string): string {
  return createHmac('sha256', secretKey)
    .update(`${algorithm}\n${date}\n${sha256(canonical)}`)
    .digest('hex')
}

/** Milliseconds since the epoch of `YYYYMMDDTHHMMSSZ`, or null. */
export function readSdkDate(text: string): number | null {
  const iso = text.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6.000Z')
  const at = iso === text ? Number.NaN : Date.parse(iso)
  return Number.isNaN(at) || new Date(at).toISOString() !== iso ? null : at
}

export const sdkDate = (at: number): string => `${new Date(at).toISOString().replace(/[-:]|\..*/g, '')}Z`

export function headerOf(headers: WireCall['headers'], name: string): string {
  const value = headers[name]
  return (Array.isArray(value) ? value.join(',') : (value ?? '')).trim()
}

/** Only for the signature: with a slash at the end. */
function canonicalPath(path: string): string {
  const encoded = path
    .split('/')
    .map((segment) => encode(decode(segment)))
    .join('/')
  return encoded.endsWith('/') ? encoded : `${encoded}/`
}

/** Pairs by name, those of one name by value, both as they are encoded. */
function canonicalQuery(query: string): string {
  const pairs = query
    .split('&')
    .filter((part) => part !== '')
    .map((part) => {
      const equals = part.indexOf('=')
      const [name, value] = equals < 0 ? [part, ''] : [part.slice(0, equals), part.slice(equals + 1)]
      return { name: recodeValue(name), value: recodeValue(value) }
    })
  return pairs
    .sort((a, b) => compare(a.name, b.name) || compare(a.value, b.value))
    .map(({ name, value }) => `${name}=${value}`)
    .join('&')
}

/**
 * A plus on the wire is a blank to some and a plus to others. It stays as it is, which no signer writes: the call is
 * refused instead of being read in one of two ways.
 */
function recodeValue(text: string): string {
  return text
    .split('+')
    .map((part) => encode(decode(part)))
    .join('+')
}

/** The bytes that a percent-encoded text stands for; a lone percent sign stands for itself. */
function decode(text: string): Uint8Array {
  const bytes: number[] = []
  for (const piece of text.split(/(%[0-9A-Fa-f]{2})/)) {
    if (/^%[0-9A-Fa-f]{2}$/.test(piece)) bytes.push(Number.parseInt(piece.slice(1), 16))
    else bytes.push(...Buffer.from(piece))
  }
  return Uint8Array.from(bytes)
}

function encode(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) {
    const char = String.fromCharCode(byte)
    text += /[A-Za-z0-9._~-]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return text
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
const sha256 = (data: string | Uint8Array) => createHash('sha256').update(data).digest('hex')
