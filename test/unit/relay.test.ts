import { pino } from 'pino'
import { expect, it } from 'vitest'
import { PublishError } from '../../src/amqp/errors.ts'
import type { OutgoingMessage } from '../../src/amqp/message.ts'
import type { Database } from '../../src/database/database.ts'
import { createRelay } from '../../src/outbox/relay.ts'
import type { Replica } from '../../src/replica/replica.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { eventually } from '../support/eventually.ts'

interface StoredEvent {
  position: number
  id: string
  orderingKey: string
  routingKey: string
  type: string
  correlationId: null
  body: string
  ageMs: number
  xmin: string
  xmax: string
}

const event = (position: number): StoredEvent => ({
  position,
  id: `id-${position}`,
  orderingKey: 'project/request',
  routingKey: 'instance.running.project',
  type: 'provisioner.instance.running',
  correlationId: null,
  body: '{}',
  ageMs: 0,
  xmin: '1',
  xmax: '1',
})

/** An outbox in memory whose reads can be held after they have looked. */
function outboxWith(rows: StoredEvent[]) {
  let hold: Promise<void> | undefined
  const query = async (text: string, ...values: unknown[]): Promise<unknown[]> => {
    if (text.includes('DELETE FROM outbox_event')) {
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

function relayOn(
  database: Database,
  publish: (messageId: string) => Promise<void>,
  replica: Partial<Replica> = {},
) {
  return createRelay({
    database,
    publisher: {
      name: 'events',
      start: async () => undefined,
      stop: async () => undefined,
      inFlight: () => 0,
      publish: (message: OutgoingMessage) => publish(String(message.properties.messageId)),
    },
    brokerReady: () => true,
    replica: {
      name: 'replica',
      start: async () => undefined,
      stop: async () => undefined,
      id: () => 'replica',
      holdsLease: () => true,
      holdDuty: async () => true,
      ...replica,
    },
    window: 100,
    metrics: createMetrics(),
    logger: pino({ level: 'silent' }),
  })
}

it('keeps the order of a request when a publish fails while a read is under way', async () => {
  const rows = [event(1)]
  const outbox = outboxWith(rows)
  const published: string[] = []
  const first = Promise.withResolvers<void>()
  const relay = relayOn(outbox.database, (id) => {
    published.push(id)
    return published.length === 1 ? first.promise : Promise.resolve()
  })
  await relay.start()
  await eventually(() => expect(published).toEqual(['id-1']))

  const letReadsGo = outbox.holdReads()
  rows.push(event(2))
  relay.wake()
  await new Promise(setImmediate)
  first.reject(new PublishError('unknown', 'the connection was lost'))
  await new Promise(setImmediate)
  letReadsGo()

  await eventually(() => expect(rows).toEqual([]))
  await relay.stop()
  expect(published).toEqual(['id-1', 'id-1', 'id-2'])
})

it('asks for its duty once its process is registered, and not before', async () => {
  const rows = [event(1)]
  let registered = false
  let looks = 0
  let asked = 0
  const relay = relayOn(outboxWith(rows).database, async () => undefined, {
    holdsLease: () => {
      looks += 1
      return registered
    },
    holdDuty: async () => {
      asked += 1
      return registered
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
