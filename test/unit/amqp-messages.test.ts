import type { ConsumeMessage } from 'amqplib'
import { describe, expect, it } from 'vitest'
import { republishedProperties, toDelivery } from '../../src/amqp/message.ts'

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

describe('the properties of a republished message', () => {
  const { properties } = toDelivery(wireMessage({ 'x-delivery-count': 1, traceparent: '00-1-2-01' }, true))

  it('are those of the original with the added headers', () => {
    expect(republishedProperties(properties, { 'x-rejection-code': 'invalid_json' })).toEqual({
      contentType: 'application/json',
      headers: { traceparent: '00-1-2-01', 'x-rejection-code': 'invalid_json' },
      deliveryMode: 2,
      correlationId: 'order-1',
      messageId: 'm-1',
      timestamp: 1_700_000_000,
      appId: 'shop',
    })
  })

  it('have no time to live, no foreign user and no header of the queue', () => {
    const republished = republishedProperties(properties)
    expect(republished).not.toHaveProperty('expiration')
    expect(republished).not.toHaveProperty('userId')
    expect(republished.headers).not.toHaveProperty('x-delivery-count')
  })
})
