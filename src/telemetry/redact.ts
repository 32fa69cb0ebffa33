/**
 * What may leave the process in logs and problem details. Keys that can hold a secret are dropped wherever they
 * stand, and text is scrubbed of credentials that others may have written into it.
 */
const REDACTED = '[redacted]'

/** Keys whose values are never shown, compared without case, `_` and `-`. */
const SECRET_KEYS = new Set([
  'password',
  'adminpass',
  'adminpassword',
  'passwd',
  'pass',
  'pwd',
  'secret',
  'secretkey',
  'secretkeys',
  'sealedpassword',
  'passworddigest',
  'userdata',
  'token',
  'authtoken',
  'xauthtoken',
  'xsubjecttoken',
  'accesskey',
  'securitytoken',
  'xsecuritytoken',
  'xmetadatatoken',
  'idtoken',
  'authorization',
  'proxyauthorization',
  'cookie',
  'setcookie',
  'databaseurl',
  'amqpurl',
  'connectionstring',
])

/** Keys that hold somebody's whole message, or certificate: too large to log, and not ours to show. */
const BODY_KEYS = new Set([
  'body',
  'payload',
  'content',
  'spec',
  'rawbody',
  'requestbody',
  'responsebody',
  'cert',
])

const MAX_TEXT = 4096
const MAX_ENTRIES = 100
const MAX_DEPTH = 6

const normalKey = (key: string) => key.toLowerCase().replaceAll(/[_-]/g, '')

const isSecretKey = (key: string) => SECRET_KEYS.has(normalKey(key))

/** `scheme://user:secret@host` */
const URL_CREDENTIALS = /([a-z][a-z0-9+.-]*:\/\/)[^\s"'<>]*@/gi
/** `password=...` in a connection string or a query. */
const ASSIGNED =
  /\b(password|passwd|pwd|adminpass|secret|token|api[_-]?key)(\s*=\s*)("[^"]*"|'[^']*'|[^\s&;,"']+)/gi
/** `"password":"..."` in JSON, also in JSON within JSON, where the quotes are escaped. */
const IN_JSON =
  /((\\*["'])(?:password|passwd|admin_?pass(?:word)?|secret|user_data|(?:x-)?(?:auth|subject|security|metadata)-token|security_?token|token)\2\s*:\s*)(\\*["'])([\s\S]*?)(?:(?<!\\)\3|$)/gi
/** Header lines and bearer tokens in text. */
const HEADER =
  /\b((?:x-(?:auth|subject|security|metadata)-token|(?:proxy-)?authorization|cookie)["']?\s*[:=]\s*)([^\r\n,}]+)/gi

/** Text without credentials, at most 4,096 characters of it. */
export function scrubText(text: string): string {
  const clean = text
    .slice(0, MAX_TEXT * 2)
    .replaceAll(IN_JSON, `$1$3${REDACTED}$3`)
    .replaceAll(URL_CREDENTIALS, `$1${REDACTED}@`)
    .replaceAll(HEADER, `$1${REDACTED}`)
    .replaceAll(ASSIGNED, `$1$2${REDACTED}`)
  return clean.length > MAX_TEXT ? `${clean.slice(0, MAX_TEXT)}…` : clean
}

/** The fields of an error that are shown beside its message; all others may hold anything. */
const ERROR_FIELDS = [
  'code',
  'kind',
  'class',
  'status',
  'statusCode',
  'errno',
  'syscall',
  'retryable',
  'operation',
]

export interface ShownError {
  type: string
  message: string
  stack?: string
  cause?: unknown
  errors?: unknown[]
  [field: string]: unknown
}

/** An error as it may be logged: its words without credentials, a few known fields, and its causes. */
export function showError(error: Error, depth = 0): ShownError {
  const shown: ShownError = { type: error.name || error.constructor.name, message: scrubText(error.message) }
  for (const field of ERROR_FIELDS) {
    const value: unknown = (error as unknown as Record<string, unknown>)[field]
    if (typeof value === 'string') shown[field] = scrubText(value)
    else if (typeof value === 'number' || typeof value === 'boolean') shown[field] = value
  }
  if (error.stack !== undefined) shown.stack = scrubText(error.stack)
  if (depth >= MAX_DEPTH) return shown
  if (error.cause !== undefined) {
    shown.cause =
      error.cause instanceof Error ? showError(error.cause, depth + 1) : showValue(error.cause, depth + 1)
  }
  if (error instanceof AggregateError) {
    shown.errors = error.errors.slice(0, 5).map((one) => showValue(one, depth + 1))
  }
  return shown
}

/** Any value as it may be logged: plain data only, bounded in depth and size. */
export function showValue(value: unknown, depth = 0): unknown {
  switch (typeof value) {
    case 'string':
      return scrubText(value)
    case 'bigint':
      return value.toString()
    case 'function':
    case 'symbol':
      return undefined
    case 'object':
      break
    default:
      return value
  }
  if (value === null) return null
  if (value instanceof Error) return showError(value, depth)
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'invalid date' : value.toISOString()
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`
  if (depth >= MAX_DEPTH) return '[deep]'
  if (Array.isArray(value)) return value.slice(0, MAX_ENTRIES).map((one) => showValue(one, depth + 1))
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return `[${value.constructor?.name ?? 'object'}]`
  return showFields(value as Record<string, unknown>, depth)
}

/** An object's fields as they may be logged: secrets by name and whole messages are left out. */
export function showFields(fields: Record<string, unknown>, depth = 0): Record<string, unknown> {
  const shown: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(fields).slice(0, MAX_ENTRIES)) {
    if (isSecretKey(key)) shown[key] = REDACTED
    else if (BODY_KEYS.has(normalKey(key)) && value !== null && value !== undefined) shown[key] = '[left out]'
    else shown[key] = showValue(value, depth + 1)
  }
  return shown
}
