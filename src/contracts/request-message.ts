import { z } from 'zod'
import { envelopeIssues } from './cloud-event.ts'
import { type BodyFormat, bodyFormat } from './content-type.ts'
import { type Fault, findPasswords, joinPath, publishableFaults } from './fault.ts'
import { describeIssues } from './issues.ts'
import { parseDateTime } from './rfc3339.ts'
import { countFaults, isPlainObject, normaliseSpec, type ProvisionSpec, specSchema } from './spec.ts'
import { parseStrictJson } from './strict-json.ts'

export const MAX_BODY_BYTES = 65_536

/** Larger bodies are not even searched for ids. */
const MAX_SEARCHED_BYTES = 1_048_576

export const REJECTION_CODES = [
  'invalid_json',
  'invalid_request',
  'idempotency_conflict',
  'message_too_large',
  'unsupported_content_type',
  'delivery_limit',
] as const

export type RejectionCode = (typeof REJECTION_CODES)[number]

const PROJECT_ID = /^[A-Za-z0-9_-]{1,64}$/
const REQUEST_ID = /^[A-Za-z0-9._:~-]{1,128}$/
const REQUEST_ID_RULE = 'must have 1 to 128 of: letters, digits, . _ : ~ -'

/** The body of a request message; optional members may be null, which means absent. */
export const requestMessageSchema = z.strictObject({
  request_id: z.string().regex(REQUEST_ID, REQUEST_ID_RULE).nullish(),
  project_id: z.string().regex(PROJECT_ID, 'must have 1 to 64 of: letters, digits, _ -'),
  spec: specSchema,
  priority: z
    .int('must be a whole number from 0 to 9')
    .min(0, 'must be a whole number from 0 to 9')
    .max(9, 'must be a whole number from 0 to 9')
    .nullish(),
  deadline: z
    .string()
    .refine((text) => parseDateTime(text) !== null, 'must be an RFC 3339 date-time with an offset')
    .nullish()
    .meta({ format: 'date-time' }),
})

/** What a valid message asks for; the same for all ways of writing it. */
export interface ProvisionCommand {
  projectId: string
  requestId: string
  spec: ProvisionSpec
  password: string
  /** 0 to 9, higher first. */
  priority: number
  minCount: number
  maxCount: number
  deadline: Date | null
}

export interface MessageInput {
  body: Buffer
  contentType: string | undefined
  /** The AMQP message_id: serves as request id where the body has none. */
  messageId: string | undefined
}

export interface MessageRejection {
  ok: false
  code: RejectionCode
  /** Every fault, free of values and passwords, and short enough for a header. */
  detail: Fault[]
  /** Where the message has them, in good form and beyond doubt. */
  projectId?: string
  requestId?: string
}

/** Reads a request message; the README defines its members. */
export function parseRequestMessage(
  input: MessageInput,
): { ok: true; command: ProvisionCommand } | MessageRejection {
  if (input.body.length > MAX_BODY_BYTES) {
    const message = `the body has ${input.body.length} bytes, ${MAX_BODY_BYTES} are allowed`
    return rejectMessage(input, 'message_too_large', [{ path: '', message }])
  }
  const format = bodyFormat(input.contentType)
  if (format === null) {
    const message = 'must be application/json or application/cloudevents+json, in UTF-8'
    return rejectMessage(input, 'unsupported_content_type', [{ path: 'content_type', message }])
  }
  const json = parseStrictJson(input.body)
  if (!json.ok && json.malformed) {
    const ids = readIds(json.value, format, input.messageId, json.faults)
    return rejection('invalid_json', json.faults, passwordsIn(input.body), ids)
  }
  const { command, faults } = readMessage(json.value, format, input.messageId)
  if (json.ok && command !== undefined) return { ok: true, command }
  const all = json.ok ? faults : [...json.faults, ...faults]
  return rejection(
    'invalid_request',
    all,
    passwordsIn(input.body),
    readIds(json.value, format, input.messageId, all),
  )
}

/** A rejection for a reason outside the body's rules; the ids are looked for all the same. */
export function rejectMessage(input: MessageInput, code: RejectionCode, faults: Fault[]): MessageRejection {
  let value: unknown
  if (input.body.length <= MAX_SEARCHED_BYTES) {
    const json = parseStrictJson(input.body)
    if (json.ok) value = json.value
  }
  return rejection(
    code,
    faults,
    [],
    readIds(value, bodyFormat(input.contentType) ?? 'plain', input.messageId, []),
  )
}

function passwordsIn(body: Buffer): string[] {
  return findPasswords(body.toString('utf8'))
}

function rejection(
  code: RejectionCode,
  faults: readonly Fault[],
  secrets: readonly string[],
  ids: { projectId?: string; requestId?: string },
): MessageRejection {
  return { ok: false, code, detail: publishableFaults(faults, secrets), ...ids }
}

/** Checks and normalises; there is a command exactly when there are no faults. */
function readMessage(
  value: unknown,
  format: BodyFormat,
  messageId: string | undefined,
): { command?: ProvisionCommand; faults: Fault[] } {
  if (!isPlainObject(value)) return { faults: [{ path: '', message: 'must be an object' }] }
  const faults: Fault[] = []
  const prefix = format === 'cloudevents' ? ['data'] : []
  if (format === 'cloudevents') {
    const envelope = envelopeIssues(value)
    faults.push(...describeIssues(envelope.issues, value, []), ...envelope.faults)
    if (!isPlainObject(value.data)) return { faults }
  }
  const data = format === 'cloudevents' ? value.data : value
  const parsed = requestMessageSchema.safeParse(data)
  if (!parsed.success) faults.push(...describeIssues(parsed.error.issues, data, prefix))
  const spec = isPlainObject(data) ? data.spec : undefined
  for (const { path, message } of countFaults(spec))
    faults.push({ path: joinPath([...prefix, 'spec', path]), message })

  const requestId = findRequestId(value, format, messageId)
  if (typeof requestId.value === 'string' && requestId.path !== 'request_id') {
    if (!REQUEST_ID.test(requestId.value))
      faults.push({ path: requestId.path, message: `as request id ${REQUEST_ID_RULE}` })
  } else if (requestId.value === undefined) {
    faults.push({
      path: joinPath([...prefix, 'request_id']),
      message: 'is missing, and there is no message_id',
    })
  }
  if (faults.length > 0 || !parsed.success) return { faults }

  // The schema checks and does not change: what it takes is used as it was read, whatever its keys are.
  const message = data as z.infer<typeof requestMessageSchema>
  return {
    faults,
    command: {
      projectId: message.project_id,
      requestId: String(requestId.value),
      ...normaliseSpec(message.spec),
      password: message.spec.password,
      priority: (message.priority ?? 0) + 0,
      deadline: message.deadline ? parseDateTime(message.deadline) : null,
    },
  }
}

/** The request id's value, of any type, and where it stands; an absent one has the path of the last resort. */
function findRequestId(
  value: Record<string, unknown>,
  format: BodyFormat,
  messageId: string | undefined,
): { value: unknown; path: string } {
  const data = format === 'cloudevents' ? value.data : value
  const own = isPlainObject(data) ? data.request_id : undefined
  if (own !== undefined && own !== null) return { value: own, path: 'request_id' }
  if (format === 'cloudevents') return { value: value.id, path: 'id' }
  return { value: messageId === '' ? undefined : messageId, path: 'message_id' }
}

/** The ids of a faulty message, as far as they are in good form and no fault concerns them. */
function readIds(
  value: unknown,
  format: BodyFormat,
  messageId: string | undefined,
  faults: readonly Fault[],
): { projectId?: string; requestId?: string } {
  if (!isPlainObject(value)) return {}
  const data = format === 'cloudevents' ? value.data : value
  if (!isPlainObject(data)) return {}
  const prefix = format === 'cloudevents' ? 'data.' : ''
  const isFaulty = (path: string) => faults.some((fault) => fault.path === path)
  const requestId = findRequestId(value, format, messageId)
  const requestPath = requestId.path === 'request_id' ? `${prefix}request_id` : requestId.path
  const ids: { projectId?: string; requestId?: string } = {}
  if (
    typeof data.project_id === 'string' &&
    PROJECT_ID.test(data.project_id) &&
    !isFaulty(`${prefix}project_id`)
  ) {
    ids.projectId = data.project_id
  }
  if (typeof requestId.value === 'string' && REQUEST_ID.test(requestId.value) && !isFaulty(requestPath)) {
    ids.requestId = requestId.value
  }
  return ids
}
