import type { z } from 'zod'
import { findEnvelopeFaults } from './cloud-event.ts'
import { type BodyFormat, bodyFormat } from './content-type.ts'
import { createFindings, type Fault, type Findings } from './fault.ts'
import { briefMessage, describeIssues } from './issues.ts'
import { MAX_PASSWORD_JWE, readJwe } from './jwe.ts'
import { findMisplacedPassword } from './misplaced-password.ts'
import { passwordFaults } from './password.ts'
import { isPlainObject } from './plain-object.ts'
import { createRejection, type MessageRejection } from './rejection.ts'
import type { RejectionCode } from './rejection-code.ts'
import { findIds, findRequestId } from './request-ids.ts'
import { REQUEST_ID, REQUEST_ID_RULE, requestMessageSchema } from './request-schema.ts'
import { parseDateTime } from './rfc3339.ts'
import { countFaults, normaliseSpec, type ProvisionSpec } from './spec.ts'
import { passwordChoiceFaults } from './spec-password.ts'
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
  /** Too few ready servers let the order wait, instead of ending it. */
  waitsForReady: boolean
}

export interface MessageInput extends TracingInput {
  body: Buffer
  contentType: string | undefined
  /** The AMQP message_id: serves as request id where the body has none. */
  messageId: string | undefined
}

export interface ValidMessage {
  ok: true
  command: ProvisionCommand
  tracing: Tracing
}

export type ParsedMessage = ValidMessage | MessageRejection

/** A message whose password is sealed. */
export interface SealedMessage {
  ok: 'sealed'
  /** What can be told without the password; null: nothing is wrong. */
  rejection: MessageRejection | null
  /** What becomes of it. `open` opens a `password_jwe`, and gives undefined where that cannot be done. */
  unseal(open: (jwe: string) => Promise<string | undefined>): Promise<ParsedMessage>
}

/** Reads a request message, whose members the README defines, in time proportional to its length. */
export function parseRequestMessage(input: MessageInput): ParsedMessage | SealedMessage {
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
  const judge = (message: SoundMessage | undefined, password: string | undefined): ParsedMessage => {
    const command = message && password !== undefined ? toCommand(message, password, findings) : undefined
    if (command !== undefined) {
      const tracing = publishableTracing(input, (text) => !text.includes(command.password))
      return { ok: true, command, tracing }
    }
    const { values, complete } = json.ok ? readSecrets(body) : json.reading.secrets
    return createRejection('invalid_request', {
      findings,
      ids: findIds(json.value, format, messageId, []),
      tracing: input,
      secrets: { values: password === undefined ? values : [...values, password], complete },
      malformed: false,
    })
  }

  const message = readMessage(json.value, format, input, findings)
  const jwe = message ? message.body.spec.password_jwe : sealedPasswordIn(json.value, format)
  if (typeof jwe !== 'string') return judge(message, message?.body.spec.password ?? undefined)
  const path = [...prefixOf(format), 'spec', 'password_jwe']
  const told = message === undefined ? judge(message, undefined) : null
  return {
    ok: 'sealed',
    rejection: told?.ok === false ? told : null,
    unseal: async (open) => {
      const password = await open(jwe)
      const faults = password === undefined ? [NOT_OPENED] : sealedFaults(password)
      for (const fault of faults) findings.add(path, fault)
      return judge(message, password)
    },
  }
}

/** Of a message that breaks other rules: what is inside must not be shown either, wherever else it stands. */
function sealedPasswordIn(value: unknown, format: BodyFormat): string | undefined {
  const data = format === 'cloudevents' && isPlainObject(value) ? value.data : value
  const spec = isPlainObject(data) ? data.spec : undefined
  const jwe = isPlainObject(spec) ? spec.password_jwe : undefined
  return typeof jwe === 'string' && jwe.length <= MAX_PASSWORD_JWE && readJwe(jwe).ok ? jwe : undefined
}

/** Where the order stands in a message. */
function prefixOf(format: BodyFormat): readonly string[] {
  return format === 'cloudevents' ? ['data'] : []
}

const NOT_OPENED = 'cannot be opened with a key of this service'

/** What is wrong with a password that was sealed: JSON itself keeps NUL out of the others. */
function sealedFaults(password: string): string[] {
  return [...passwordFaults(password), ...(password.includes('\0') ? ['contains a NUL character'] : [])]
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

/** A message that keeps all rules but those about the text of its password. */
interface SoundMessage {
  body: z.infer<typeof requestMessageSchema>
  requestId: string
  /** Where the request id and the correlation id stand, if outside the body. */
  outside: Readonly<Record<string, unknown>>
  /** Where the body stands in the message. */
  prefix: readonly string[]
}

/** Checks; there is a message exactly when there are no faults. */
function readMessage(
  value: unknown,
  format: BodyFormat,
  input: MessageInput,
  findings: Findings,
): SoundMessage | undefined {
  const correlation = input.correlationId === undefined ? undefined : correlationFault(input.correlationId)
  if (correlation !== undefined) findings.add(['correlation_id'], correlation)
  if (!isPlainObject(value)) {
    findings.add([], 'must be an object')
    return undefined
  }
  const prefix = prefixOf(format)
  if (format === 'cloudevents') {
    findEnvelopeFaults(value, findings)
    if (!isPlainObject(value.data)) return undefined
  }
  const data = format === 'cloudevents' ? value.data : value
  const issues = requestMessageSchema.safeParse(data, { error: briefMessage }).error?.issues ?? []
  describeIssues(issues, data, prefix, findings)
  const spec = isPlainObject(data) ? data.spec : undefined
  for (const { path, message } of [...passwordChoiceFaults(spec), ...countFaults(spec)])
    findings.add([...prefix, 'spec', path], message)

  const requestId = findRequestId(value, format, input.messageId)
  if (requestId.value === undefined) {
    findings.add([...prefix, 'request_id'], 'is missing, and there is no message_id')
  } else if (requestId.path !== 'request_id' && isUnsuitable(requestId.value)) {
    findings.add([requestId.path], `as request id ${REQUEST_ID_RULE}`)
  }
  if (findings.total() > 0) return undefined

  return {
    // The schema checks and does not change: what it takes is used as it was read, whatever its keys are.
    body: data as z.infer<typeof requestMessageSchema>,
    requestId: String(requestId.value),
    outside: {
      ...(requestId.path === 'request_id' ? {} : { [requestId.path]: requestId.value }),
      correlation_id: input.correlationId,
    },
    prefix,
  }
}

/** Normalises; undefined, and a finding, where the password stands in another place as well. */
function toCommand(
  { body, requestId, outside, prefix }: SoundMessage,
  password: string,
  findings: Findings,
): ProvisionCommand | undefined {
  const { password: _, password_jwe: __, ...shown } = body.spec
  findMisplacedPassword({ ...body, spec: shown }, password, prefix, findings)
  findMisplacedPassword(outside, password, [], findings)
  if (findings.total() > 0) return undefined
  return {
    projectId: body.project_id,
    requestId,
    ...normaliseSpec(body.spec),
    password,
    priority: (body.priority ?? 0) + 0,
    deadline: body.deadline ? parseDateTime(body.deadline) : null,
    waitsForReady: body.when_not_ready === 'wait',
  }
}

/** A text that cannot be a request id; of another type, or empty, the envelope's own rules refuse it. */
function isUnsuitable(id: unknown): boolean {
  return typeof id === 'string' && id !== '' && !REQUEST_ID.test(id)
}
