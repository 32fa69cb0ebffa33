import { describe, expect, test } from 'vitest'
import type { Entry, Status } from '../replies.ts'
import { timelineItems } from '../timeline-items.js'

const time = (second: number) => new Date(Date.UTC(2026, 10, 26, 12, 0, second)).toISOString()

const change = (second: number, from: string | null, to: string, cause: string): Entry =>
  ({ kind: 'transition', time: time(second), cause, evidence: null, from, to, attempt: null }) as Entry

const instance = (id: string, running_at: string | null, state = 'running') =>
  ({
    id,
    name: null,
    server_id: null,
    state,
    created_at: time(0),
    running_at,
    error: null,
  }) as Status['instances'][number]

describe('what happened to an order', () => {
  test('holds its instances among the changes, each with the events that it owed', () => {
    const history = [
      change(0, null, 'queued', 'accepted'),
      change(1, 'queued', 'dispatching', 'claimed'),
      change(2, 'dispatching', 'uncertain', 'timeout'),
      change(3, 'uncertain', 'provisioning', 'adopted'),
      change(9, 'provisioning', 'partially_running', 'instances_ended'),
    ]
    const instances = [instance('a', time(5)), instance('b', null, 'failed'), instance('c', null, 'pending')]
    const items = timelineItems(history, { instances, completed_at: time(9), updated_at: time(9) })
    expect(items.map((item) => item.events.map(({ kind }) => kind))).toEqual([
      ['request.accepted'],
      [],
      ['request.uncertain'],
      ['request.dispatched'],
      ['instance.running'],
      ['instance.failed'],
      ['request.completed'],
    ])
  })

  test('has further instances as another request.dispatched', () => {
    const [item] = timelineItems([change(4, 'running', 'running', 'unexpected_instances')], {
      ...{ instances: [], completed_at: time(3), updated_at: time(4) },
    })
    expect(item?.events.map(({ kind }) => kind)).toEqual(['request.dispatched'])
  })
})
