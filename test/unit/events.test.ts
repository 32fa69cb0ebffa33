import { describe, expect, test } from 'vitest'
import * as schemas from '../../src/contracts/event-schemas.ts'
import * as events from '../../src/contracts/events.ts'
import { bodyOf, readEvent } from '../support/seen-event.ts'

const subject = {
  id: '0198170e-4ca7-7ee4-89a7-fa6318430001',
  projectId: 'project-1',
  requestId: 'order-1',
  correlationId: 'c-1',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  tracestate: 'a=1',
}
const at = new Date('2026-11-23T12:00:00.5Z')
const moment = { version: 3, at: at.getTime() }
const rejection = { ...subject, code: 'invalid_json', detail: [{ path: '', message: 'm' }] }
const counts = { min: 1, max: 3, created: 3, running: 2, failed: 1 }
const error = { code: 'c', message: 'm' }

const samples: Record<schemas.EventKind, events.Event> = {
  'request.accepted': events.requestAccepted(subject, moment, { state: 'queued' }),
  'request.rejected': events.requestRejected(rejection, at.getTime()),
  'request.dispatched': events.requestDispatched(subject, moment, { instanceIds: ['i-1'], attempt: 2 }),
  'request.uncertain': events.requestUncertain(subject, moment, { attempt: 2, reason: 'timeout' }),
  'request.completed': events.requestCompleted(subject, moment, { state: 'failed', counts, error }),
  'instance.running': events.instanceRunning(subject, moment, {
    instanceId: 'i-1',
    name: 'web',
    serverId: null,
    networkInterfaces: [{ subnet_id: 'subnet', ipv4_address: null }],
    imageId: 'image',
    runningAt: at.getTime(),
  }),
  'instance.failed': events.instanceFailed(subject, moment, { instanceId: 'i-1', error }),
}

describe.each(schemas.EVENT_KINDS)('%s', (kind) => {
  const event = samples[kind]
  const body = bodyOf(event)

  test('has the form of its schema', () => {
    expect(schemas.eventSchema(kind).parse(body)).toEqual(body)
    expect(readEvent(event.body)).toMatchObject({ kind, id: event.id })
  })

  test('says what it is about', () => {
    expect(event).toMatchObject({
      id: body.id,
      orderingKey: 'project-1/order-1',
      routingKey: `${kind}.project-1`,
      type: `provisioner.${kind}`,
      correlationId: 'c-1',
    })
    expect(body).toMatchObject({
      type: `provisioner.${kind}`,
      dataschema: `urn:provisioner:${kind}:1`,
      source: '/v1/project-1/provision-requests/order-1',
      time: '2026-11-23T12:00:00.500Z',
      traceparent: subject.traceparent,
      tracestate: 'a=1',
      data: { project_id: 'project-1', request_id: 'order-1' },
    })
    expect(body.subject).toBe(kind.startsWith('instance.') ? 'i-1' : undefined)
  })
})

test('what the request did not bring is absent, not null', () => {
  const bare = { ...subject, correlationId: null, traceparent: null, tracestate: null }
  const event = events.requestAccepted(bare, moment, { state: 'queued' })
  expect(event.correlationId).toBeNull()
  expect(Object.keys(bodyOf(event))).not.toEqual(expect.arrayContaining(['traceparent']))
  expect(schemas.eventSchema('request.accepted').safeParse(bodyOf(event)).success).toBe(true)
})

test('a completion without an error, and a nameless instance', () => {
  const completed = events.requestCompleted(subject, moment, { state: 'running', counts, error: null })
  expect(schemas.eventSchema('request.completed').parse(bodyOf(completed)).data.error).toBeNull()
  const running = events.instanceRunning(subject, moment, {
    instanceId: 'i',
    name: null,
    serverId: 's',
    networkInterfaces: null,
    imageId: null,
    runningAt: at.getTime(),
  })
  expect(bodyOf(running).data).toMatchObject({
    name: null,
    server_id: 's',
    network_interfaces: [],
    image_id: null,
    running_at: at.toISOString(),
  })
})

test('the time of a completion and of its error are one and the same', () => {
  const body = bodyOf(samples['request.completed'])
  expect([body.time, body.data.error.at]).toEqual([at.toISOString(), at.toISOString()])
})

test('the id follows from request, version, kind and instance, and from nothing else', () => {
  const id = (...[of, when, instanceId]: [events.StoredSubject, events.EventMoment, string]) =>
    events.instanceFailed(of, when, { instanceId, error }).id
  const first = id(subject, moment, 'i-1')
  expect(id({ ...subject, projectId: 'other', traceparent: null }, { ...moment, at: 0 }, 'i-1')).toBe(first)
  const others = [
    id({ ...subject, id: '0198170e-4ca7-7ee4-89a7-fa6318430002' }, moment, 'i-1'),
    id(subject, { ...moment, version: 4 }, 'i-1'),
    id(subject, moment, 'i-2'),
    samples['instance.running'].id,
    samples['request.completed'].id,
  ]
  expect(new Set([first, ...others]).size).toBe(6)
})
