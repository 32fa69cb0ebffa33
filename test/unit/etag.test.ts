import { describe, expect, test } from 'vitest'
import { entityTag, namesTag } from '../../src/api/etag.ts'
import { buildStatus, NOW, REQUEST_PATH, setUpApi } from '../support/api-world.ts'

const at = (ms: number) => new Date(NOW.getTime() + ms)
const waitingFor = (until: Date) =>
  buildStatus({
    waiting: {
      reason: 'rate_limit',
      until,
      detail: null,
      position: 2,
      estimated_dispatch_at: null,
      estimated_at: null,
    },
  })

describe('the tag of a status', () => {
  test('is the same for the same, and another for whatever is shown otherwise', () => {
    const tags = [
      buildStatus(),
      buildStatus({ state: 'running' }),
      buildStatus({ updated_at: at(1) }),
      buildStatus({ name: 'other' }),
      waitingFor(at(1)),
      waitingFor(at(2)),
    ].map((status) => entityTag([status], NOW))
    expect(new Set(tags).size).toBe(tags.length)
    expect(entityTag([buildStatus()], at(5))).toBe(tags[0])
    for (const tag of tags) expect(tag).toMatch(/^W\/"[A-Za-z0-9_-]{22}"$/)
  })

  test('does not change because what is due now is due now', () => {
    const [first, later, next] = [0, 10, 20].map((ms) => entityTag([waitingFor(at(ms))], at(ms)))
    expect(later).toBe(first)
    expect(next).toBe(first)
    expect(entityTag([waitingFor(at(30))], at(20))).not.toBe(first)
  })

  test('of a page depends on its order and on what follows', () => {
    const [a, b] = [buildStatus({ request_id: 'a' }), buildStatus({ request_id: 'b' })]
    const tags = [[a], [a, b], [b, a], []].map((page) => entityTag(page, NOW, null))
    expect(new Set([...tags, entityTag([a], NOW, 'more')]).size).toBe(5)
  })
})

test.each([
  ['W/"a"', true],
  ['"a"', true],
  ['*', true],
  ['"b", W/"a"', true],
  [' "b",W/"a" ', true],
  ['"b"', false],
  ['a', false],
  ['', false],
  [undefined, false],
])('If-None-Match %j names W/"a": %s', (header, isNamed) => {
  expect(namesTag(header, 'W/"a"')).toBe(isNamed)
})

describe('a client that has the status', () => {
  const ask = (api: ReturnType<typeof setUpApi>['api'], query: string, tag?: string) =>
    api.app.inject({
      url: REQUEST_PATH + query,
      headers: tag === undefined ? {} : { 'if-none-match': tag },
    })

  test('is told so without a body, and gets it once it has changed', async () => {
    const { api, world } = setUpApi()
    const first = await ask(api, '')
    expect([first.statusCode, first.headers['cache-control']]).toEqual([200, 'private, no-cache'])
    const tag = String(first.headers.etag)
    const same = await ask(api, '', tag)
    expect([same.statusCode, same.body, same.headers.etag]).toEqual([304, '', tag])
    world.state = 'running'
    expect((await ask(api, '', tag)).statusCode).toBe(200)
    const head = await api.app.inject({
      method: 'HEAD',
      url: REQUEST_PATH,
      headers: { 'if-none-match': tag },
    })
    expect(head.statusCode).toBe(200)
  })

  test('may wait: for another than it has, which it gets at once, or to be told that nothing came', async () => {
    const { api, world, watcher } = setUpApi()
    const tag = String((await ask(api, '')).headers.etag)
    const stale = await ask(api, '?wait=60s', 'W/"old"')
    expect([stale.statusCode, stale.json<{ state: string }>().state]).toEqual([200, 'queued'])
    expect((await ask(api, '?wait=1ms', tag)).statusCode).toBe(304)
    const held = ask(api, '?wait=60s', tag)
    await watcher.start()
    await expect.poll(() => watcher.size()).toBe(1)
    world.state = 'running'
    watcher.notify(['p/order-1'])
    expect((await held).json<{ state: string }>().state).toBe('running')
  })

  test('of a list is told so, too', async () => {
    const { api } = setUpApi()
    const url = '/v1/p/provision-requests?request_id=order-1'
    const { headers } = await api.app.inject(url)
    const again = await api.app.inject({ url, headers: { 'if-none-match': String(headers.etag) } })
    expect([again.statusCode, again.body]).toEqual([304, ''])
  })

  test('gets a problem without a tag', async () => {
    const { api, world } = setUpApi()
    world.exists = false
    const reply = await ask(api, '', '*')
    expect([reply.statusCode, reply.headers.etag]).toEqual([404, undefined])
  })
})
