import { describe, expect, test } from 'vitest'
import { parseReadyCount, parseServers } from '../../src/clouddc/servers.ts'

describe('a page of servers', () => {
  test('tells id, state and locks, in old words and new', () => {
    const text = JSON.stringify({
      servers: [
        { id: 'a', manage_state: 'ready', frozen_state: 0, name: 'x' },
        { id: 'b', manage_state: 'READY', frozen_state: 4 },
        { id: 'c', manage_state: 'frozen' },
        { id: 'd', manage_state: 'in-use', frozen_state: '2' },
      ],
      page_info: { next_marker: 'd', current_count: 4 },
      count: 9,
    })
    expect(parseServers(text)).toEqual({
      servers: [
        { id: 'a', manageState: 'ready', frozen: false },
        { id: 'b', manageState: 'ready', frozen: true },
        { id: 'c', manageState: 'frozen', frozen: true },
        { id: 'd', manageState: 'in-use', frozen: true },
      ],
      nextMarker: 'd',
      total: 9,
    })
  })

  test.each([
    ['instances', { instances: [] }],
    ['a server without a state', { servers: [{ id: 'a' }] }],
    ['a server without an id', { servers: [{ manage_state: 'ready' }] }],
    ['no object', []],
    ['nothing', undefined],
  ])('is none where the answer is %s', (_case, value) => {
    expect(parseServers(JSON.stringify(value) ?? '')).toBeNull()
  })
})

describe('the count of ready servers', () => {
  test.each([
    [{ server_manage_state: { ready: 3, 'in-use': 2 } }, 3],
    [{ server_manage_state: { 'in-use': 2 } }, 0],
    [{ server_health_state: { OK: 2 }, server_manage_state: { Ready: 2 } }, 2],
  ])('of %j is %i', (value, ready) => {
    expect(parseReadyCount(JSON.stringify(value))).toBe(ready)
  })

  test.each([
    [{}],
    [{ server_manage_state: {} }],
    [{ server_manage_state: { ready: '3' } }],
    [{ server_manage_state: { ready: -1 } }],
    [{ server_manage_state: ['ready'] }],
    [{ instances: [], page_info: {}, count: 0 }],
    ['<html>'],
  ])('cannot be read from %j', (value) => {
    expect(parseReadyCount(JSON.stringify(value))).toBeNull()
  })
})
