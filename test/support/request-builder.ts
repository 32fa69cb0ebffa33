import { bodyFormat } from '../../src/contracts/content-type.ts'
import { parseRequestMessage } from '../../src/contracts/request-message.ts'
import { expectAgreement } from './schema-judge.ts'

/** A valid password that stands out wherever it should not be. */
export const CANARY = 'Canary-Passw0rd!'

/** A valid spec; `changes` replace or add members, undefined takes one away. */
export function buildSpec(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    name: 'web',
    image_id: 'image-1',
    vpc_id: 'vpc-1',
    network_interfaces: [{ subnet_id: 'subnet-1' }],
    password: CANARY,
    ...changes,
  }
}

/** A valid request message; `spec` changes its spec, the other changes its own members. */
export function buildRequest({
  spec = {},
  ...changes
}: { spec?: Record<string, unknown> } & Record<string, unknown> = {}) {
  return { request_id: 'order-1', project_id: 'project-1', spec: buildSpec(spec), ...changes }
}

export function toBody(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}

/** What intake makes of a message; the published schema must make the same of it. */
export function parseMessage(
  value: unknown,
  { contentType = 'application/json', messageId }: { contentType?: string; messageId?: string } = {},
) {
  const result = parseRequestMessage({ body: toBody(value), contentType, messageId })
  const isRead = result.ok !== false || result.code === 'invalid_request'
  const isCloudEvent = bodyFormat(contentType) === 'cloudevents'
  if (isRead) expectAgreement(value, { isCloudEvent, faults: result.ok === false ? result.detail : [] })
  if (result.ok === 'sealed') throw new Error('its password is sealed')
  return result
}

/** The command of a valid message. */
export function commandOf(...input: Parameters<typeof parseMessage>) {
  const result = parseMessage(...input)
  if (!result.ok) throw new Error(JSON.stringify(result))
  return result.command
}

/** The paths of a message's faults. */
export function faultsOf(...input: Parameters<typeof parseMessage>): string[] {
  const result = parseMessage(...input)
  return result.ok ? [] : result.detail.map(({ path }) => path)
}
