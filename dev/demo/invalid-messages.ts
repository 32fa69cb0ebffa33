/** A message that must become a dead letter, and with which code. */
export interface InvalidMessage {
  what: string
  code: 'invalid_json' | 'invalid_request' | 'message_too_large' | 'unsupported_content_type'
  body: Buffer
  contentType?: string
  /** Whether project and request id can be read from it beyond doubt, so that an event is owed. */
  readable: boolean
}

type Valid = Readonly<{ request_id: string; project_id: string; spec: Readonly<Record<string, unknown>> }>

/** Mistakes that producers make, one function each, from a valid message of their own. */
export const INVALID_MESSAGES: readonly ((valid: Valid) => InvalidMessage)[] = [
  (valid) => ({
    what: 'cut short',
    code: 'invalid_json',
    body: Buffer.from(JSON.stringify(valid).slice(0, -7)),
    readable: false,
  }),
  (valid) => invalid('a misspelt count', { ...valid, spec: { ...valid.spec, min_cuont: 2 } }),
  (valid) => invalid('no image', { ...valid, spec: { ...valid.spec, image_id: undefined } }),
  (valid) => invalid('more wanted than allowed', { ...valid, spec: { ...valid.spec, max_count: 101 } }),
  (valid) => invalid('least above most', { ...valid, spec: { ...valid.spec, min_count: 3, max_count: 2 } }),
  (valid) =>
    invalid('a weak password', {
      ...valid,
      spec: { ...valid.spec, password: `${String(valid.spec.password)}-which-is-too-long` },
    }),
  (valid) =>
    invalid('no servers selected', { ...valid, spec: { ...valid.spec, placement: { server_id_set: [] } } }),
  (valid) => invalid('a count in quotes', { ...valid, spec: { ...valid.spec, min_count: '2' } }),
  (valid) => invalid('a deadline without a time', { ...valid, deadline: '2026-11-23' }),
  (valid) => ({
    what: 'the same member twice',
    code: 'invalid_json',
    body: Buffer.from(JSON.stringify(valid).replace('"spec":{', '"spec":{"min_count":1,"min_count":9,')),
    readable: false,
  }),
  (valid) =>
    invalid('a NUL character', { ...valid, spec: { ...valid.spec, description: 'before\u0000after' } }),
  () => ({ what: 'empty', code: 'invalid_json', body: Buffer.alloc(0), readable: false }),
  (valid) => ({
    what: 'one byte too long',
    code: 'message_too_large',
    body: paddedTo(65_537, valid),
    readable: false,
  }),
  (valid) => ({
    what: 'XML by its own account',
    code: 'unsupported_content_type',
    body: Buffer.from(JSON.stringify(valid)),
    contentType: 'application/xml',
    readable: false,
  }),
  () => ({
    what: 'nested beyond measure',
    code: 'invalid_json',
    body: Buffer.from(`${'['.repeat(5000)}${']'.repeat(5000)}`),
    readable: false,
  }),
]

function invalid(what: string, message: object): InvalidMessage {
  return { what, code: 'invalid_request', body: Buffer.from(JSON.stringify(message)), readable: true }
}

function paddedTo(bytes: number, message: object): Buffer {
  const text = JSON.stringify(message)
  return Buffer.from(`${text.slice(0, -1)}${' '.repeat(bytes - text.length)}}`)
}
