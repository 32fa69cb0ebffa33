import { describe, expect, test } from 'vitest'
import { PublishError } from '../../src/amqp/errors.ts'
import type { OutgoingMessage } from '../../src/amqp/message.ts'
import { eventSchema } from '../../src/contracts/event-schemas.ts'
import { requestRejected } from '../../src/contracts/events.ts'
import { buildDelivery, createIntakeHarness, databaseError, reasonOf } from '../support/intake-harness.ts'
import { buildRequest, CANARY } from '../support/request-builder.ts'

describe('a dead letter', () => {
  test('that is exact is the message as it came, with the reason; its event is stored before', async () => {
    const at = new Date('2026-11-23T12:00:00Z')
    const { intake, deadLetters, rejections, log } = createIntakeHarness({
      now: () => at,
      exactDeadLetters: true,
    })
    const properties = {
      contentType: 'application/json',
      correlationId: 'c-1',
      messageId: 'm-1',
      replyTo: 'me',
      timestamp: 1,
      headers: { traceparent: 't', own: { deep: [1] } },
    }
    const delivery = buildDelivery(Buffer.from(' {"project_id":"p","request_id":"r", "spec":{}} '), {
      properties,
    })
    expect(await intake.handle(delivery)).toBe('ack')
    expect(log).toEqual(['rejections 1', 'events stored', 'dead letter'])
    expect(deadLetters).toMatchObject([{ exchange: 'provision.dead', mandatory: true, body: delivery.body }])
    expect(deadLetters[0]?.properties).toEqual({
      ...properties,
      headers: {
        ...properties.headers,
        'x-rejection-code': 'invalid_request',
        'x-rejection-detail': expect.stringContaining('spec.password'),
        'x-rejected-at': at.toISOString(),
      },
    })
    const bodies = rejections.map((rejection) => JSON.parse(requestRejected(rejection, at.getTime()).body))
    expect(bodies).toHaveLength(1)
    expect(eventSchema('request.rejected').parse(bodies[0])).toMatchObject({
      time: at.toISOString(),
      traceparent: 't',
      data: { project_id: 'p', request_id: 'r', code: 'invalid_request' },
    })
  })

  test('without readable ids has no event', async () => {
    const { intake, log, rejections, index } = createIntakeHarness()
    expect(await intake.handle(buildDelivery(Buffer.from('{')))).toBe('ack')
    expect(log).toEqual(['rejections 1', 'dead letter'])
    expect(rejections).toEqual([])
    expect(index).toMatchObject([{ code: 'invalid_json', projectId: null, requestId: null, bytes: 1 }])
  })

  test('has no password in header, event or log', async () => {
    const { intake, deadLetters, rejections, lines } = createIntakeHarness()
    const messages = [
      buildRequest({ extra: CANARY }),
      buildRequest({ spec: { [CANARY]: 1 } }),
      Buffer.from(JSON.stringify(buildRequest()).slice(0, -1)),
      Buffer.from(JSON.stringify(buildRequest()).replace('"name"', '"password"')),
    ]
    await Promise.all(messages.map((message) => intake.handle(buildDelivery(message))))
    expect(deadLetters).toHaveLength(4)
    const seen = JSON.stringify([deadLetters.map(({ properties }) => properties), rejections, lines])
    expect(seen).not.toMatch(/Canary|Passw0rd/)
  })

  test('a correlation id that Postgres cannot store is a fault', async () => {
    const { intake, deadLetters, rows } = createIntakeHarness()
    expect(await intake.handle(buildDelivery(buildRequest(), { properties: { correlationId: 'a\0' } }))).toBe(
      'ack',
    )
    expect(rows.size).toBe(0)
    expect(deadLetters.map(reasonOf)).toEqual([{ code: 'invalid_request', paths: ['correlation_id'] }])
  })

  test('whose event the database refuses costs no other its event', async () => {
    const { intake, hooks, deadLetters, rejections } = createIntakeHarness()
    hooks.insertRejections = async (batch) => {
      if (batch.some(({ letter }) => letter.requestId === '7')) throw databaseError('22P05')
    }
    const bodies = Array.from({ length: 50 }, (_, n) => ({ project_id: 'p', request_id: String(n) }))
    await Promise.all(bodies.map((body) => intake.handle(buildDelivery(body))))
    expect(deadLetters).toHaveLength(50)
    expect(rejections).toHaveLength(49)
  })

  const onlyBare = (error: PublishError) => async (letter: OutgoingMessage) => {
    if (letter.properties.messageId !== undefined) throw error
  }
  const objection = Object.assign(new Error('PRECONDITION_FAILED'), { code: 406 })

  test.each([
    ['AMQP cannot carry', new PublishError('unencodable', 'headers too large')],
    ['the broker closes the channel over', new PublishError('unknown', 'channel closed', objection)],
  ])('whose properties %s goes without them', async (_, error) => {
    const { intake, hooks, deadLetters } = createIntakeHarness()
    hooks.publish = onlyBare(error)
    const properties = { messageId: 'm', headers: { own: 'x' } }
    expect(await intake.handle(buildDelivery('text', { properties }))).toBe('ack')
    expect(deadLetters[0]?.properties).toEqual({
      contentType: 'application/jose',
      headers: {
        'x-rejection-code': 'invalid_request',
        'x-rejection-detail': expect.any(String),
        'x-rejected-at': expect.any(String),
        'x-rejection-altered': '["message_id","headers"]',
      },
    })
  })
})
