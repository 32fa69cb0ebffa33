import { describe, expect, test } from 'vitest'
import { parseRequestMessage } from '../../src/contracts/request-message.ts'
import { buildRequest, toBody } from '../support/request-builder.ts'

describe('the correlation id', () => {
  const parse = (correlationId: string, message: object = buildRequest()) =>
    parseRequestMessage({
      ...{ body: toBody(message), contentType: undefined, messageId: undefined },
      correlationId,
    })

  test.each(['', 'desk-1', 'Bestellung für Zoë', '\u{1f600}', 'x'.repeat(255), 'é'.repeat(127)])(
    '%j travels to the events',
    (correlationId) => {
      expect(parse(correlationId)).toMatchObject({ ok: true, tracing: { correlationId } })
    },
  )

  test.each([
    'a\0b',
    '\u0001',
    'a\n',
    '\u007f',
    '\u0085',
    'a\ufffdb',
    '\ud800',
    'é'.repeat(128),
    '\ufffd'.repeat(255),
  ])('%j is a fault of the request, as events cannot carry it', (correlationId) => {
    const result = parse(correlationId)
    expect(result).toMatchObject({
      code: 'invalid_request',
      detail: [{ path: 'correlation_id' }],
      projectId: 'project-1',
      tracing: { correlationId: null },
    })
    const others = parse(correlationId, buildRequest({ priority: 10 }))
    expect(others).toMatchObject({ detail: [{ path: 'correlation_id' }, { path: 'priority' }] })
  })
})
