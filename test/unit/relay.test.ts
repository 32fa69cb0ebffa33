import { expect, it } from 'vitest'
import { PublishError } from '../../src/amqp/errors.ts'
import type { Rejection } from '../../src/contracts/events.ts'
import type { Database } from '../../src/database/database.ts'
import type { SegmentRow } from '../../src/outbox/read-segments.sql.ts'
import { eventually } from '../support/eventually.ts'
import { createTestRelay } from '../support/relay-world.ts'

/** A segment of one event of one request, which needs no other row. */
const segment = (position: number): SegmentRow => {
  const rejection: Rejection = {
    id: `id-${position}`,
    projectId: 'project',
    requestId: 'request',
    correlationId: null,
    traceparent: null,
    tracestate: null,
    code: 'invalid_json',
    detail: [],
  }
  return {
    position,
    refs: null,
    rejections: JSON.stringify([rejection]),
    createdAt: 0,
    ageMs: 0,
    xmin: '1',
    barrier: '1',
  }
}

/** An outbox in memory whose reads can be held after they have looked. */
function outboxWith(rows: SegmentRow[]) {
  let hold: Promise<void> | undefined
  const query = async (text: string, ...values: unknown[]): Promise<unknown[]> => {
    if (text.includes('DELETE FROM outbox_segment')) {
      const removed = new Set(values[0] as number[])
      rows.splice(0, rows.length, ...rows.filter((row) => !removed.has(row.position)))
      return []
    }
    const inHand = [...String(values[2]).matchAll(/(\d+),(\d+)/g)].map(([, from, to]) => [
      Number(from),
      Number(to),
    ])
    const found = rows.filter(
      ({ position }) => !inHand.some(([from = 0, to = 0]) => from <= position && position < to),
    )
    if (found.length > 0) await hold
    return found
  }
  return {
    database: { query } as unknown as Database,
    holdReads: () => {
      const { promise, resolve } = Promise.withResolvers<void>()
      hold = promise
      return () => {
        hold = undefined
        resolve()
      }
    },
  }
}

it('keeps the order of a request when a publish fails while a read is under way', async () => {
  const rows = [segment(1)]
  const outbox = outboxWith(rows)
  const published: unknown[] = []
  const first = Promise.withResolvers<void>()
  const relay = createTestRelay({
    database: outbox.database,
    accept: ({ properties }) => {
      published.push(properties.messageId)
      return published.length === 1 ? first.promise : Promise.resolve()
    },
  })
  await relay.start()
  await eventually(() => expect(published).toEqual(['id-1']))

  const letReadsGo = outbox.holdReads()
  rows.push(segment(2))
  relay.wake()
  await new Promise(setImmediate)
  first.reject(new PublishError('unknown', 'the connection was lost'))
  await new Promise(setImmediate)
  letReadsGo()

  await eventually(() => expect(rows).toEqual([]))
  await relay.stop()
  expect(published).toEqual(['id-1', 'id-1', 'id-2'])
})

it('begins anew when it takes its duty again, and what is left of before sends nothing more', async () => {
  const rows = [segment(1), segment(2)]
  const published: unknown[] = []
  const first = Promise.withResolvers<void>()
  const answers = [true, false]
  const relay = createTestRelay({
    database: outboxWith(rows).database,
    replica: { holdDuty: async () => answers.shift() ?? true },
    accept: ({ properties }) => {
      published.push(properties.messageId)
      return published.length === 1 ? first.promise : Promise.resolve()
    },
  })
  await relay.start()
  await eventually(() => expect(rows).toEqual([]))
  first.reject(new PublishError('unknown', 'the connection was lost'))
  await relay.stop()
  expect(published).toEqual(['id-1', 'id-1', 'id-2'])
})

it('asks for its duty once its process is registered, and not before', async () => {
  const rows = [segment(1)]
  let registered = false
  let looks = 0
  let asked = 0
  const relay = createTestRelay({
    database: outboxWith(rows).database,
    replica: {
      holdsLease: () => {
        looks += 1
        return registered
      },
      holdDuty: async () => {
        asked += 1
        return registered
      },
    },
  })
  await relay.start()
  await eventually(() => expect(looks).toBeGreaterThan(1))
  expect(asked).toBe(0)
  registered = true
  await eventually(() => expect(rows).toEqual([]))
  expect(asked).toBe(1)
  await relay.stop()
})
