import { createHmac, hash } from 'node:crypto'
import { type Query, queryString } from './percent-encoding.ts'

export interface RequestToSign {
  /** In capitals. */
  method: string
  /** As it will be on the wire, without query: unreserved characters and slashes only. */
  path: string
  query: Query
  /** Those to be signed, `x-sdk-date` among them; names in any case. */
  headers: Readonly<Record<string, string>>
  /** The very bytes that will be sent; empty for none. */
  body: Uint8Array
}

export interface SigningKey {
  accessKey: string
  secretKey: string
}

const ALGORITHM = 'SDK-HMAC-SHA256'
/** Others are encoded differently by the vendor's own programs, so that no signature is sure to be understood. */
const SIGNABLE_PATH = /^[A-Za-z0-9._~/-]*$/

/**
 * The value of the header Authorization that signs a request by SDK-HMAC-SHA256, the algorithm of Huawei Cloud's API
 * gateway. Pure.
 *
 * @throws RangeError when the path holds what would be percent-encoded
 */
export function signatureOf(request: RequestToSign, { accessKey, secretKey }: SigningKey): string {
  const { method, path, query, body } = request
  if (!SIGNABLE_PATH.test(path))
    throw new RangeError('the path of a signed call holds characters that cannot be signed')
  const headers = Object.entries(request.headers)
    .map(([name, value]) => [name.toLowerCase(), value.trim()] as const)
    .sort(([one], [other]) => (one < other ? -1 : 1))
  const names = headers.map(([name]) => name).join(';')
  const canonical = [
    method,
    path.endsWith('/') ? path : `${path}/`,
    queryString(query),
    headers.map(([name, value]) => `${name}:${value}\n`).join(''),
    names,
    hash('sha256', body, 'hex'),
  ].join('\n')
  const date = headers.find(([name]) => name === 'x-sdk-date')?.[1] ?? ''
  const toSign = `${ALGORITHM}\n${date}\n${hash('sha256', canonical, 'hex')}`
  const signature = createHmac('sha256', secretKey).update(toSign).digest('hex')
  return `${ALGORITHM} Access=${accessKey}, SignedHeaders=${names}, Signature=${signature}`
}

/** A time as the header X-Sdk-Date has it: `20261123T120000Z`. */
export function sdkDate(time: Date): string {
  return time.toISOString().replace(/[-:]|\.\d{3}/g, '')
}
