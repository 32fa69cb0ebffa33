import { v7 as uuidv7 } from 'uuid'
import type {
  CallLimit,
  DeadLetter,
  Evidence,
  Expectation,
  LedgerCall,
  LedgerInstance,
  ObservedEvent,
  PublishedMessage,
} from '../../checker/evidence.ts'

/** Known mistakes that the model of the service can be told to make. */
export type Mistake =
  | 'none'
  | 'ack_before_commit'
  | 'blind_resend'
  | 'event_outside_transaction'
  | 'relay_by_greater_position'
  | 'limiter_per_process'
  | 'void_without_looking'
  | 'new_event_id_on_redelivery'
  | 'counts_before_last_instance'
  | 'password_in_error'
  | 'password_kept'
  | 'request_forgotten'

type Mutable<Type> = {
  -readonly [Key in keyof Type]: Type[Key] extends readonly (infer Item)[] ? Item[] : Type[Key]
}
export type MutableEvidence = Mutable<Evidence>

const LIMIT: CallLimit = { perSecond: 20, burst: 5 }
const START_MS = 1_000_000
const REQUESTS = 24

interface OutboxEvent {
  position: number
  /** When its transaction commits: not always in order of position. */
  commitsAt: number
  event: ObservedEvent
}

/**
 * A run of a service that fits in this file: it takes in messages, orders under a token bucket, loses answers,
 * adopts what it finds, relays events. Without a mistake its evidence is flawless; with one it is what a service
 * with that mistake would leave behind.
 */
export function modelRun(mistake: Mistake = 'none'): MutableEvidence {
  const evidence: MutableEvidence = {
    published: [],
    queueDepth: 0,
    deadLetters: [],
    requests: [],
    attempts: [],
    instances: [],
    transitions: [],
    statuses: [],
    events: [],
    calls: [],
    ledgerInstances: [],
    limit: LIMIT,
    userLimit: null,
    texts: [{ source: 'replica-1.log', text: '{"level":30,"msg":"started"}\n' }],
    secrets: [],
  }
  const outbox: OutboxEvent[] = []
  const buckets = mistake === 'limiter_per_process' ? [bucket(), bucket()] : [bucket()]

  for (let number = 1; number <= REQUESTS; number += 1) {
    const message = messageOf(number)
    evidence.published.push(message)
    evidence.secrets.push(passwordOf(number))
    if (number % 12 === 0) {
      rejectInvalid(evidence, outbox, message)
      continue
    }
    if (mistake === 'ack_before_commit' && number === 7) continue
    carryOut(evidence, outbox, message, mistake, buckets[(number >> 1) % buckets.length] ?? bucket())
  }
  evidence.calls.sort((a, b) => a.at_ms - b.at_ms)
  evidence.events = relay(outbox, mistake)
  return evidence
}

export function passwordOf(number: number): string {
  return `Canary9-model-${String(number).padStart(3, '0')}`
}

function messageOf(number: number): PublishedMessage {
  const valid = number % 12 !== 0
  const min = 1 + (number % 2)
  const max = min + (number % 3)
  const expect: Expectation = !valid
    ? { kind: 'rejected', code: 'invalid_request' }
    : { kind: number === 11 ? 'refused' : 'creates' }
  return {
    number,
    projectId: `project-${number % 2}`,
    requestId: `order-${number}`,
    body: Buffer.from(
      JSON.stringify({ request_id: `order-${number}`, spec: { password: passwordOf(number) } }),
    ),
    contentType: 'application/json',
    messageId: `message-${number}`,
    correlationId: `correlation-${number}`,
    traceparent: undefined,
    confirmed: true,
    order: valid ? { name: `web-${number}`, min, max, servers: null, deadline: null } : null,
    expect,
  }
}

/** A body that nobody can read, as far as the judge can tell. */
function sealedWhole({ contentType }: PublishedMessage): Pick<DeadLetter, 'body' | 'contentType'> {
  const header = Buffer.from(JSON.stringify({ alg: 'ECDH-ES+A256KW', enc: 'A256GCM', cty: contentType }))
  return {
    body: Buffer.from(`${header.toString('base64url')}.key.nonce.text.tag`),
    contentType: 'application/jose',
  }
}

/** The body with its password sealed, as far as the judge can tell. */
export function withSealedPassword(body: Buffer): Buffer {
  const text = body.toString('utf8')
  return Buffer.from(text.replace(/"password":"[^"]*"/, '"password_jwe":"head.key.nonce.text.tag"'))
}

function rejectInvalid(evidence: MutableEvidence, outbox: OutboxEvent[], message: PublishedMessage): void {
  const detail = [{ path: 'spec.name', message: 'is missing' }]
  const letter: DeadLetter = {
    ...sealedWhole(message),
    messageId: message.messageId,
    correlationId: message.correlationId,
    headers: {
      'x-message-number': message.number,
      'x-rejection-code': 'invalid_request',
      'x-rejection-detail': JSON.stringify(detail),
      'x-rejected-at': new Date(START_MS).toISOString(),
    },
  }
  evidence.deadLetters.push(letter)
  append(outbox, message, 'request.rejected', { code: 'invalid_request', detail })
}

function carryOut(
  evidence: MutableEvidence,
  outbox: OutboxEvent[],
  message: PublishedMessage,
  mistake: Mistake,
  pace: Bucket,
): void {
  const { number, order } = message
  if (order === null || message.projectId === null || message.requestId === null) return
  const id = uuidv7()
  const attemptId = `${id}.1`
  const transition = (from: string | null, to: string, cause: string) => {
    const version = evidence.transitions.length + 1
    evidence.transitions.push({
      provisionRequestId: id,
      version,
      from,
      to,
      cause,
      attemptId: from && attemptId,
    })
  }
  const row = {
    id,
    projectId: message.projectId,
    requestId: message.requestId,
    name: order.name,
    state: 'queued',
    min: order.min,
    max: order.max,
    created: 0,
    running: 0,
    failed: 0,
    errorCode: null as string | null,
    hasPassword: mistake === 'password_kept' && number === 5,
    waiting: null,
    deadline: null,
    createdAt: new Date(START_MS),
    completedAt: new Date(START_MS + 60_000),
  }
  evidence.requests.push(row)
  append(outbox, message, 'request.accepted', { state: 'queued' })
  transition(null, 'queued', 'accepted')
  if (mistake === 'request_forgotten' && number === 9) return

  const answerLost = number % 8 === 3
  const refused = message.expect.kind === 'refused'
  const call = place(evidence, message, pace, { attemptId, refused, answerLost })
  transition('queued', 'dispatching', 'claimed')
  const counts = () => ({
    min: row.min,
    max: row.max,
    created: row.created,
    running: row.running,
    failed: row.failed,
  })
  if (refused) {
    row.state = 'failed'
    row.errorCode = 'iMetal.0101'
    evidence.attempts.push({ id: attemptId, provisionRequestId: id, number: 1, state: 'not_created' })
    transition('dispatching', 'failed', 'refused')
    const error = { code: row.errorCode, message: 'too few servers', at: new Date(START_MS).toISOString() }
    append(outbox, message, 'request.completed', { state: 'failed', counts: counts(), error })
    return
  }
  let known = call
  if (answerLost) {
    append(outbox, message, 'request.uncertain', { attempt: 1, reason: 'connection_lost' })
    transition('dispatching', 'uncertain', 'connection_lost')
    if (mistake === 'password_in_error') {
      evidence.texts.push({
        source: 'replica-1.log',
        text: `sent {"password":"${passwordOf(number)}"} and got no answer`,
      })
    }
    if (mistake === 'blind_resend' || mistake === 'void_without_looking') {
      known = place(evidence, message, pace, { attemptId, refused, answerLost: false })
    }
  }
  evidence.attempts.push({
    id: attemptId,
    provisionRequestId: id,
    number: 1,
    state: answerLost ? 'adopted' : 'created',
  })
  transition(answerLost ? 'uncertain' : 'dispatching', 'provisioning', 'created')
  append(outbox, message, 'request.dispatched', { instance_ids: known.map((one) => one.id), attempt: 1 })
  row.created = known.length
  for (const [index, instance] of known.entries()) {
    const fails = number % 5 === 0 && index === 0
    instance.state = fails ? 'error' : 'running'
    evidence.instances.push({
      projectId: row.projectId,
      id: instance.id,
      provisionRequestId: id,
      attemptId,
      late: false,
      state: fails ? 'failed' : 'running',
    })
    if (mistake === 'counts_before_last_instance' && index === 1) continue
    if (fails) row.failed += 1
    else row.running += 1
    const { id: instance_id, name, server_id, image_id, network_interfaces } = instance
    const ended = { instance_id, name, server_id, image_id, network_interfaces }
    const skipped = mistake === 'event_outside_transaction' && number === 13
    if (fails)
      append(outbox, message, 'instance.failed', {
        instance_id: instance.id,
        error: { code: 'x', message: '' },
      })
    else if (!skipped)
      append(outbox, message, 'instance.running', { ...ended, running_at: new Date(START_MS).toISOString() })
  }
  row.state = row.failed === 0 ? 'running' : row.running >= row.min ? 'partially_running' : 'failed'
  if (row.state === 'failed') row.errorCode = 'too_few_running'
  transition('provisioning', row.state, 'instances_ended')
  const error = row.errorCode && { code: row.errorCode, message: '', at: new Date(START_MS).toISOString() }
  append(outbox, message, 'request.completed', { state: row.state, counts: counts(), error: error || null })
}

/** One call of batch-create, and what CloudDC makes of it. */
function place(
  evidence: MutableEvidence,
  { projectId, requestId, order }: PublishedMessage,
  pace: Bucket,
  { attemptId, refused, answerLost }: { attemptId: string; refused: boolean; answerLost: boolean },
): LedgerInstance[] {
  const project = projectId ?? ''
  const name = order?.name ?? ''
  const [min, max] = [order?.min ?? 1, order?.max ?? 1]
  const n = evidence.calls.length + 1
  const made = Array.from(
    { length: refused ? 0 : max },
    (_, index): LedgerInstance => ({
      id: uuidv7(),
      project,
      server_id: `server-${n}-${index}`,
      name,
      image_id: 'image',
      network_interfaces: [{ subnet_id: 'subnet', ipv4_address: `10.0.${n}.${index}` }],
      metadata: { 'provisioner-attempt': `${attemptId}/0a1b2c3d/${requestId}` },
      description: '',
      state: 'running',
      call: n,
    }),
  )
  const call: LedgerCall = {
    n,
    at_ms: pace.take(project),
    project,
    user: 'orderer',
    operation: 'RunInstances',
    path: `/v1/${project}/instances/batch-create`,
    status: refused ? 400 : answerLost ? null : 202,
    cut: answerLost ? 'after' : null,
    asked: { name, min_count: min, max_count: max, servers: null },
    instance_ids: made.map(({ id }) => id),
  }
  evidence.calls.push(call)
  evidence.ledgerInstances.push(...made)
  return made
}

interface Bucket {
  /** When the next call of the project may be made, in milliseconds; every token is used at once. */
  take(project: string): number
}

function bucket(): Bucket {
  const used = new Map<string, number>()
  return {
    take: (project) => {
      const count = used.get(project) ?? 0
      used.set(project, count + 1)
      return START_MS + Math.max(0, ((count - LIMIT.burst + 1) / LIMIT.perSecond) * 1000)
    },
  }
}

function append(outbox: OutboxEvent[], message: PublishedMessage, kind: string, data: object): void {
  const id = uuidv7()
  const { projectId, requestId } = message
  const instance = 'instance_id' in data ? { subject: data.instance_id } : {}
  const position = outbox.length + 1
  outbox.push({
    position,
    // Every tenth transaction takes long to commit: others with later positions are visible before it.
    commitsAt: position + (position % 10 === 4 ? 6 : 0),
    event: {
      routingKey: `${kind}.${projectId}`,
      messageId: id,
      type: `provisioner.${kind}`,
      contentType: 'application/cloudevents+json',
      correlationId: message.correlationId,
      persistent: true,
      body: JSON.stringify({
        specversion: '1.0',
        id,
        type: `provisioner.${kind}`,
        source: `/v1/${projectId}/provision-requests/${requestId}`,
        ...instance,
        time: new Date(START_MS).toISOString(),
        datacontenttype: 'application/json',
        dataschema: `urn:provisioner:${kind}:1`,
        data: { project_id: projectId, request_id: requestId, ...data },
      }),
    },
  })
}

/** Publishes what is committed. A faultless relay goes by what is there; another by "position above the last". */
function relay(outbox: readonly OutboxEvent[], mistake: Mistake): ObservedEvent[] {
  const sent: ObservedEvent[] = []
  if (mistake === 'relay_by_greater_position') {
    let last = 0
    for (let now = 1; now <= outbox.length + 10; now += 1) {
      for (const { position, commitsAt, event } of outbox) {
        if (position <= last || commitsAt > now || position > now) continue
        sent.push(event)
        last = position
      }
    }
    return sent
  }
  for (const { position, event } of outbox) {
    sent.push(event)
    // Now and then a confirm is lost and the event goes out twice.
    if (position % 9 !== 0) continue
    const id = uuidv7()
    const again = { ...event, messageId: id, body: event.body.replaceAll(event.messageId ?? '', id) }
    sent.push(mistake === 'new_event_id_on_redelivery' ? again : event)
  }
  return sent
}
