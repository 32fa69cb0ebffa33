import { STATUS_CODES } from 'node:http'

/** An answer before it is written: `body` is the whole text. */
export type Reply = {
  status: number
  body: string
  contentType: string
  headers: Record<string, string>
  /** The `error_code` of a refusal, for the ledger. */
  errorCode: string | null
}

export const jsonType = 'application/json;charset=UTF-8'

export function reply(status: number, value: unknown, headers: Record<string, string> = {}): Reply {
  return { status, body: JSON.stringify(value), contentType: jsonType, headers, errorCode: null }
}

/** 204: no body, no content type. */
export const noContent = (): Reply => ({
  status: 204,
  body: '',
  contentType: '',
  headers: {},
  errorCode: null,
})

/** The service's own error shape. */
export function refusal(status: number, code: string, message: string): Reply {
  return { ...reply(status, { error_code: code, error_msg: message }), errorCode: code }
}

/** The gateway's shape: the same with the request id. */
export function gatewayRefusal(status: number, code: string, message: string, requestId: string): Reply {
  return {
    ...reply(status, { error_msg: message, error_code: code, request_id: requestId }),
    errorCode: code,
  }
}

/** IAM's own shape. */
export function iamError(status: number, message: string): Reply {
  const title = STATUS_CODES[status] ?? 'Error'
  return reply(status, { error: { code: status, message, title } })
}

/** What the metadata service says, and old balancers. */
export const plain = (status: number, body: string): Reply => ({
  status,
  body,
  contentType: 'text/plain;charset=UTF-8',
  headers: {},
  errorCode: null,
})

const idList = (ids: readonly string[]) => `[${ids.join(', ')}]`

export const invalid = (what: string) =>
  refusal(400, 'iMetal.0001', `The parameter has an invalid or unsupported value: ${what}`)

export const missing = (fields: readonly string[]) =>
  refusal(400, 'iMetal.0002', `Missing required parameters: ${fields.join(', ')}`)

export const forbidden = () => refusal(403, 'iMetal.0004', 'Insufficient permissions')

export const serversNotFound = (ids: readonly string[]) =>
  refusal(404, 'iMetal.0100', `Physical servers ID not found: ${idList(ids)}`)

export const serversNotReady = (ids: readonly string[]) =>
  refusal(400, 'iMetal.0101', `Physical servers state is not ready: ${idList(ids)}`)

export const instancesNotFound = (ids: readonly string[]) =>
  refusal(404, 'iMetal.0200', `Instances not found: ${idList(ids)}`)
