import { describe, expect, test } from 'vitest'
import { buildRequest, commandOf, faultsOf, parseMessage } from '../support/request-builder.ts'

describe('CloudEvents', () => {
  const envelope = (changes: Record<string, unknown> = {}) => ({
    specversion: '1.0',
    id: 'event-1',
    source: '/shop',
    type: 'order.placed',
    data: buildRequest({ request_id: undefined }),
    ...changes,
  })
  const contentType = 'application/cloudevents+json; charset=UTF-8'

  test('the id stands in for a missing request id, and for nothing else', () => {
    expect(commandOf(envelope(), { contentType, messageId: 'm-1' }).requestId).toBe('event-1')
    expect(commandOf(envelope({ data: buildRequest(), id: 'any thing' }), { contentType }).requestId).toBe(
      'order-1',
    )
    expect(faultsOf(envelope({ id: 'any thing' }), { contentType })).toEqual(['id'])
  })

  test.each<[Record<string, unknown>, string[]]>([
    [
      { time: '2026-01-01T00:00:00Z', subject: 's', dataschema: '/s', datacontenttype: 'application/json' },
      [],
    ],
    [{ traceparent: '00-x', count: 1, flag: true, unset: null }, []],
    [{ subject: null, time: null, datacontenttype: null, data_base64: null }, []],
    [{ datacontenttype: 'application/vnd.order+json; v=1' }, []],
    [{ specversion: '0.3' }, ['specversion']],
    [
      { specversion: undefined, id: undefined, source: '', type: 1 },
      ['specversion', 'id', 'source', 'type', 'data.request_id'],
    ],
    [{ data: undefined, data_base64: 'e30=' }, ['data', 'data_base64']],
    [{ data: 'text' }, ['data']],
    [{ time: 'now' }, ['time']],
    [{ datacontenttype: 'text/xml' }, ['datacontenttype']],
    [{ min_count: 2 }, ['min_count']],
    [{ spec: {} }, ['spec']],
    [{ data: { ...buildRequest(), prioritty: 1 } }, ['data.prioritty']],
    [{ data: buildRequest({ spec: { min_count: 2, max_count: 1 } }) }, ['data.spec.max_count']],
  ])('envelope with %j', (changes, paths) => {
    expect(faultsOf(envelope(changes), { contentType }).sort()).toEqual(paths.sort())
  })

  test('an envelope under a plain content type is no request', () => {
    expect(parseMessage(envelope())).toMatchObject({ ok: false, code: 'invalid_request' })
  })
})
