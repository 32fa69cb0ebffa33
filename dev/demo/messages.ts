import { v7 as uuidv7 } from 'uuid'
import type { PublishedMessage } from '../../checker/evidence.ts'
import type { SeededRandom } from '../seeded-random.ts'
import { INVALID_MESSAGES } from './invalid-messages.ts'
import { type DraftRequest, draftRequests, type NamedServers } from './orders.ts'

const COPIES = 0.04
const CONFLICTS = 0.01
const INVALID = 0.075

/** A message to be published; numbers and confirmations come with publishing. */
export type DraftMessage = Omit<PublishedMessage, 'number' | 'confirmed'>

export interface Batch {
  messages: DraftMessage[]
  servers: Map<string, NamedServers>
  /** Every password in any of the messages. */
  secrets: string[]
  /** What the service proves to CloudDC who it is with: a secret like the passwords, and beginning like them. */
  secret: string
  copies: number
  conflicts: number
  invalid: number
}

/** All messages of a run: `count` requests in realistic variety, copies and conflicts of some, and invalid ones. */
export function draftMessages({
  count,
  projectIds,
  random,
  secretPrefix,
  now,
}: {
  count: number
  projectIds: readonly string[]
  random: SeededRandom
  /** Begins every password: 8 to 20 characters with capital, small letter, digit. */
  secretPrefix: string
  now: Date
}): Batch {
  const secrets: string[] = []
  const passwordOf = (number: number) => {
    const password = `${secretPrefix}${String(number).padStart(5, '0')}`
    secrets.push(password)
    return password
  }
  const { requests, servers } = draftRequests({ count, projectIds, random, passwordOf, now })
  const originals = requests.map((request) => messageOf(request, random))
  const some = (share: number) => Math.min(requests.length, Math.max(1, Math.round(count * share)))
  const chosen = random.shuffle(requests.map((_, index) => index))
  const copied = chosen.slice(0, some(COPIES))
  const contested = chosen.slice(copied.length, copied.length + some(CONFLICTS))

  const copies = copied.flatMap((index) => {
    const request = requests[index]
    return request === undefined ? [] : [{ ...messageOf(request, random), expect: { kind: 'copy' as const } }]
  })
  const conflicts = contested.flatMap((index) => {
    const request = requests[index]
    return request === undefined ? [] : [conflictWith(request, random)]
  })
  const invalid = Array.from({ length: Math.max(3, Math.round(count * INVALID)) }, (_, index) =>
    invalidMessage(index, {
      projectId: projectIds[index % projectIds.length] ?? 'project',
      password: passwordOf(count + 1 + index),
    }),
  )
  return {
    messages: mixed([...originals], [...copies, ...conflicts, ...invalid], random),
    servers,
    secrets,
    secret: `${secretPrefix}credential`,
    copies: copies.length,
    conflicts: conflicts.length,
    invalid: invalid.length,
  }
}

/** The same request may be written in several ways: all mean the same. */
function messageOf(request: DraftRequest, random: SeededRandom): DraftMessage {
  const { projectId, requestId, order, expect } = request
  const content = {
    project_id: projectId,
    spec: request.spec,
    ...(request.priority === undefined ? {} : { priority: request.priority }),
    ...(request.deadline === undefined ? {} : { deadline: request.deadline.toISOString() }),
  }
  const idFirst = random.chance(0.7)
  const envelope = {
    projectId,
    requestId,
    correlationId: `order-desk-${requestId}`,
    traceparent: `00-${hashed(requestId, 32)}-${hashed(`${requestId}/span`, 16)}-01`,
    order,
    expect,
  }
  const way = random.next()
  if (way < 0.1) {
    const event = {
      specversion: '1.0',
      id: requestId,
      source: '/order-desk',
      type: 'shop.servers.ordered',
      time: new Date(0).toISOString(),
      data: content,
    }
    const contentType = 'application/cloudevents+json; charset=utf-8'
    return { ...envelope, body: encode(event), contentType, messageId: uuidv7() }
  }
  // The AMQP message id may stand in for the request id.
  if (way < 0.2) {
    return { ...envelope, body: encode(content), contentType: undefined, messageId: requestId }
  }
  const body = encode(idFirst ? { request_id: requestId, ...content } : { ...content, request_id: requestId })
  return { ...envelope, body, contentType: 'application/json', messageId: uuidv7() }
}

/** Another order under the same key: whichever is stored second must be refused. */
function conflictWith(request: DraftRequest, random: SeededRandom): DraftMessage {
  const name = `${request.order.name}-other`
  const spec = { ...request.spec, name, placement: undefined, min_count: 1, max_count: 1 }
  const order = { ...request.order, name, servers: null, min: 1, max: 1 }
  return messageOf({ ...request, spec, order, expect: { kind: 'conflict' } }, random)
}

function invalidMessage(
  index: number,
  { projectId, password }: { projectId: string; password: string },
): DraftMessage {
  const requestId = `faulty-${String(index + 1).padStart(4, '0')}`
  const spec = {
    name: requestId,
    image_id: 'image',
    vpc_id: 'vpc',
    network_interfaces: [{ subnet_id: 'subnet' }],
    password,
  }
  const make = INVALID_MESSAGES[index % INVALID_MESSAGES.length]
  if (make === undefined) throw new RangeError('no kinds of invalid messages')
  const { code, body, contentType, readable } = make({ request_id: requestId, project_id: projectId, spec })
  return {
    projectId: readable ? projectId : null,
    requestId: readable ? requestId : null,
    body,
    contentType: contentType ?? 'application/json',
    messageId: uuidv7(),
    correlationId: undefined,
    traceparent: undefined,
    order: null,
    expect: { kind: 'rejected', code },
  }
}

/** Originals in their order, the others strewn in between. */
function mixed(
  originals: DraftMessage[],
  others: readonly DraftMessage[],
  random: SeededRandom,
): DraftMessage[] {
  const messages = originals
  for (const other of others) messages.splice(random.between(0, messages.length), 0, other)
  return messages
}

function encode(value: object): Buffer {
  return Buffer.from(JSON.stringify(value))
}

function hashed(text: string, digits: number): string {
  let state = 0x811c9dc5
  let hex = ''
  for (let round = 0; hex.length < digits; round += 1) {
    for (const char of `${round}/${text}`)
      state = Math.imul(state ^ (char.codePointAt(0) ?? 0), 0x01000193) >>> 0
    hex += state.toString(16).padStart(8, '0')
  }
  return hex.slice(0, digits)
}
