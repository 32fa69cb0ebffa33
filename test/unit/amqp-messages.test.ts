import type { ConsumeMessage } from 'amqplib'
import { describe, expect, it } from 'vitest'
import { toDelivery } from '../../src/amqp/message.ts'
import { copyProperties } from '../../src/amqp/republish.ts'

function wireMessage(headers: Record<string, unknown> | undefined, redelivered: boolean): ConsumeMessage {
  return {
    content: Buffer.from('{}'),
    fields: { deliveryTag: 1, redelivered, exchange: '', routingKey: 'provision.requests', consumerTag: 'c' },
    properties: {
      contentType: 'application/json',
      contentEncoding: undefined,
      headers,
      deliveryMode: 2,
      priority: undefined,
      correlationId: 'order-1',
      replyTo: undefined,
      expiration: '60000',
      messageId: 'm-1',
      timestamp: 1_700_000_000,
      type: undefined,
      userId: 'producer',
      appId: 'shop',
      clusterId: undefined,
    },
  }
}

describe('a delivery', () => {
  it('carries what the broker says of earlier deliveries', () => {
    expect(toDelivery(wireMessage({ 'x-delivery-count': 3 }, true))).toMatchObject({
      deliveryCount: 3,
      redelivered: true,
    })
  })

  it.each([
    ['no headers', undefined, true],
    ['a count that is no number', { 'x-delivery-count': '3' }, true],
    ['a count that a producer made up', { 'x-delivery-count': 50 }, false],
  ])('counts zero earlier deliveries with %s', (_, headers, redelivered) => {
    expect(toDelivery(wireMessage(headers, redelivered)).deliveryCount).toBe(0)
  })
})

describe('the properties of a copy', () => {
  const headers = { 'x-delivery-count': 1, CC: ['elsewhere'], old: 1, traceparent: '00-1-2-01' }
  const delivery = toDelivery(wireMessage(headers, true))
  const copy = copyProperties(delivery, { headerBytes: 1000, replaced: new Set(['old']) })

  it('are those of the original', () => {
    expect(copy.properties).toEqual({
      contentType: 'application/json',
      headers: { traceparent: '00-1-2-01' },
      deliveryMode: 2,
      correlationId: 'order-1',
      messageId: 'm-1',
      timestamp: 1_700_000_000,
      appId: 'shop',
    })
  })

  it('but for time to live, user and further receivers, which are named', () => {
    expect(copy.leftOut).toEqual(['expiration', 'user_id', 'headers.CC'])
  })

  it('and for what could not be read, and large headers where there is no room', () => {
    const { properties, leftOut } = copyProperties(
      {
        ...delivery,
        unreadable: ['message_id', 'headers.raw'],
        properties: { messageId: '\ufffd', headers: { a: 'x'.repeat(99), b: 'y' } },
      },
      { headerBytes: 50, replaced: new Set() },
    )
    expect(properties).toEqual({ headers: { b: 'y' } })
    expect(leftOut).toEqual(['message_id', 'headers.raw', 'headers.a'])
  })
})
