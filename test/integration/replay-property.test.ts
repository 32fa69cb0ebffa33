import fc from 'fast-check'
import { beforeEach, expect, test } from 'vitest'
import type { OutgoingMessage } from '../../src/amqp/message.ts'
import { EVENT_KINDS } from '../../src/contracts/event-schemas.ts'
import { readPastEvents } from '../../src/outbox/past-events.ts'
import { messageOf } from '../../src/outbox/publish-event.ts'
import { eventually } from '../support/eventually.ts'
import { liveAtRandom } from '../support/random-lives.ts'
import { createTestRelay } from '../support/relay-world.ts'
import { clearTables, useTestDatabase } from '../support/store-database.ts'

const database = await useTestDatabase()
beforeEach(() => clearTables(database))

/** Messages by the source of their events, in order. */
function bySource(messages: readonly OutgoingMessage[]): Record<string, OutgoingMessage[]> {
  return Object.groupBy(messages, ({ body }) => String(JSON.parse(String(body)).source)) as never
}

const EVER = { from: new Date(0), to: new Date('2100-01-01T00:00:00Z') }

async function replayed(
  wanted: Partial<Parameters<typeof readPastEvents>[1]> = {},
): Promise<OutgoingMessage[]> {
  const messages: OutgoingMessage[] = []
  for await (const { requests } of readPastEvents(database, { ...EVER, ...wanted })) {
    messages.push(...requests.flat().map((event) => messageOf(event)))
  }
  return messages
}

test('each event that is replayed equals the one published first, whatever becomes of requests', async () => {
  const kinds = new Set<unknown>()
  let parts = 0
  await fc.assert(
    fc.asyncProperty(fc.gen(), async (draw) => {
      await clearTables(database)
      const published: OutgoingMessage[] = []
      const relay = createTestRelay({
        database,
        accept: async (message) => {
          published.push(message)
        },
      })
      await relay.start()
      try {
        await liveAtRandom(database, { requests: 4, steps: 6 }, draw)
        relay.wake()
        await eventually(async () => expect(await database.prisma.outboxSegment.count()).toBe(0))
      } finally {
        await relay.stop()
      }
      parts += await database.prisma.historyPart.count()
      for (const { properties } of published) kinds.add(properties.type)
      const again = await replayed()
      expect(bySource(again)).toEqual(bySource(published))
      // Nothing is lost or doubled where a replay ends and the next begins.
      const times = again
        .map(({ body }) => Date.parse(JSON.parse(String(body)).time))
        .toSorted((a, b) => a - b)
      const middle = new Date(times[Math.floor(times.length / 2)] ?? 0)
      const halves = [...(await replayed({ to: middle })), ...(await replayed({ from: middle }))]
      expect(bySource(halves)).toEqual(bySource(again))
    }),
    { numRuns: 8, endOnFailure: true },
  )
  expect(parts).toBeGreaterThan(0)
  const replayable = EVENT_KINDS.filter((kind) => kind !== 'request.rejected')
  expect([...kinds].toSorted()).toEqual(replayable.map((kind) => `provisioner.${kind}`).toSorted())
})
