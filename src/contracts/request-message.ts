import type { z } from 'zod'
import { findEnvelopeFaults } from './cloud-event.ts'
import { type BodyFormat, bodyFormat } from './content-type.ts'
import { createFindings, type Fault, type Findings } from './fault.ts'
import { briefMessage, describeIssues } from './issues.ts'
import { findMisplacedPassword } from './misplaced-password.ts'
import { createRejection, type MessageRejection, type RejectionCode } from './rejection.ts'
import { findIds, findRequestId } from './request-ids.ts'
import { REQUEST_ID, REQUEST_ID_RULE, requestMessageSchema } from './request-schema.ts'
import { parseDateTime } from './rfc3339.ts'
import { countFaults, isPlainObject, normaliseSpec, type ProvisionSpec } from './spec.ts'
import { parseStrictJson, readSecrets } from './strict-json.ts'
import { correlationFault, publishableTracing, type Tracing, type TracingInput } from './tracing.ts'

export const MAX_BODY_BYTES = 65_536

/** Larger bodies are not even searched for ids. */
const MAX_SEARCHED_BYTES = 4 * MAX_BODY_BYTES

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

export interface MessageInput extends TracingInput {
  body: Buffer
  contentType: string | undefined
  /** The AMQP message_id: serves as request id where the body has none. */
  messageId: string | undefined
}

/** Reads a request message, whose members the README defines, in time proportional to its length. */
export function parseRequestMessage(
  input: MessageInput,
): { ok: true; command: ProvisionCommand; tracing: Tracing } | MessageRejection {
  const { body, messageId } = input
  if (body.length > MAX_BODY_BYTES) {
    const message = `the body has ${body.length} bytes, ${MAX_BODY_BYTES} are allowed`
    return rejectUnread(input, 'message_too_large', { path: '', message })
  }
  const format = bodyFormat(input.contentType)
  if (format === null) {
    const message = 'must be application/json or application/cloudevents+json, in UTF-8'
    return rejectUnread(input, 'unsupported_content_type', { path: 'content_type', message })
  }
  const json = parseStrictJson(body)
  if (!json.ok && json.reading.malformed) {
    const ids = findIds(json.value, format, messageId, json.reading.repeated)
    return createRejection('invalid_json', { ...json.reading, ids, tracing: input })
  }
  const findings = json.ok ? createFindings() : json.reading.findings
  const command = readMessage(json.value, format, input, findings)
  if (command !== undefined) {
    const tracing = publishableTracing(input, (text) => !text.includes(command.password))
    return { ok: true, command, tracing }
  }
  return createRejection('invalid_request', {
    findings,
    ids: findIds(json.value, format, messageId, []),
    tracing: input,
    secrets: json.ok ? readSecrets(body) : json.reading.secrets,
    malformed: false,
  })
}

/** A rejection for a reason outside the body's rules; the ids are looked for all the same. */
export function rejectUnread(input: MessageInput, code: RejectionCode, fault: Fault): MessageRejection {
  const { body, contentType, messageId } = input
  const json = body.length <= MAX_SEARCHED_BYTES ? parseStrictJson(body) : undefined
  const reading = json?.ok === false ? json.reading : undefined
  return createRejection(code, {
    findings: findingsOf(fault),
    ids: findIds(json?.value, bodyFormat(contentType) ?? 'plain', messageId, reading?.repeated ?? []),
    tracing: input,
    // The secrets of a body that is not read are unknown.
    secrets: json?.ok ? readSecrets(body) : (reading?.secrets ?? { values: [], complete: false }),
    malformed: true,
  })
}

/** A rejection of a message that is valid in itself. */
export function rejectCommand(
  { projectId, requestId }: ProvisionCommand,
  tracing: Tracing,
  code: RejectionCode,
  fault: Fault,
): MessageRejection {
  return { ok: false, code, detail: [fault], projectId, requestId, tracing }
}

function findingsOf({ path, message }: Fault): Findings {
  const findings = createFindings()
  findings.add(path === '' ? [] : [path], message)
  return findings
}

/** Checks and normalises; there is a command exactly when there are no faults. */
function readMessage(
  value: unknown,
  format: BodyFormat,
  input: MessageInput,
  findings: Findings,
): ProvisionCommand | undefined {
  const correlation = input.correlationId === undefined ? undefined : correlationFault(input.correlationId)
  if (correlation !== undefined) findings.add(['correlation_id'], correlation)
  if (!isPlainObject(value)) {
    findings.add([], 'must be an object')
    return undefined
  }
  const prefix = format === 'cloudevents' ? ['data'] : []
  if (format === 'cloudevents') {
    findEnvelopeFaults(value, findings)
    if (!isPlainObject(value.data)) return undefined
  }
  const data = format === 'cloudevents' ? value.data : value
  const issues = requestMessageSchema.safeParse(data, { error: briefMessage }).error?.issues ?? []
  describeIssues(issues, data, prefix, findings)
  for (const { path, message } of countFaults(isPlainObject(data) ? data.spec : undefined))
    findings.add([...prefix, 'spec', path], message)

  const requestId = findRequestId(value, format, input.messageId)
  if (requestId.value === undefined) {
    findings.add([...prefix, 'request_id'], 'is missing, and there is no message_id')
  } else if (requestId.path !== 'request_id' && isUnsuitable(requestId.value)) {
    findings.add([requestId.path], `as request id ${REQUEST_ID_RULE}`)
  }
  if (findings.total() > 0) return undefined

  // The schema checks and does not change: what it takes is used as it was read, whatever its keys are.
  const message = data as z.infer<typeof requestMessageSchema>
  const { password, ...shown } = message.spec
  findMisplacedPassword({ ...message, spec: shown }, password, prefix, findings)
  const own = requestId.path === 'request_id' ? {} : { [requestId.path]: requestId.value }
  findMisplacedPassword({ ...own, correlation_id: input.correlationId }, password, [], findings)
  if (findings.total() > 0) return undefined
  return {
    projectId: message.project_id,
    requestId: String(requestId.value),
    ...normaliseSpec(message.spec),
    password,
    priority: (message.priority ?? 0) + 0,
    deadline: message.deadline ? parseDateTime(message.deadline) : null,
  }
}

/** A text that cannot be a request id; of another type, or empty, the envelope's own rules refuse it. */
function isUnsuitable(id: unknown): boolean {
  return typeof id === 'string' && id !== '' && !REQUEST_ID.test(id)
}
