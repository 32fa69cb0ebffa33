import { pino } from 'pino'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createBroker } from '../../src/amqp/connection.ts'
import { createPublisher } from '../../src/amqp/publisher.ts'
import { eventually } from '../support/eventually.ts'
import { createScriptedBroker } from '../support/scripted-broker.ts'

const PATIENCE_MS = 50

/** A publisher on a broker that takes the messages of which `accepts` says so. */
async function openPublisher(accepts: (channel: number, message: number) => boolean) {
  const lines: string[] = []
  const logger = pino({ level: 'debug' }, { write: (line: string) => lines.push(line) })
  const scripted = await createScriptedBroker({ accepts })
  onTestFinished(scripted.close)
  const broker = createBroker({ url: scripted.url, logger })
  await broker.start()
  onTestFinished(broker.stop)
  const publisher = createPublisher({ broker, logger, nacksTimeoutMs: PATIENCE_MS })
  await publisher.start()
  onTestFinished(publisher.stop)
  await eventually(() => expect(broker.health()).toEqual({ ok: true }))
  const publish = () =>
    publisher.publish({ exchange: '', routingKey: 'queue', body: 'x', properties: {} }).then(
      () => 'confirmed',
      (error: { kind: string }) => error.kind,
    )
  return { scripted, lines, publish }
}

describe('a channel that the broker answers with nothing but nacks', () => {
  test('is followed by another, and nothing else of the session ends', async () => {
    const { scripted, lines, publish } = await openPublisher((channel) => channel > 1)
    const outcomes = new Set<string>()
    await eventually(async () => {
      outcomes.add(await publish())
      expect(outcomes).toContain('confirmed')
    })
    // Never in doubt: nothing was sent twice for the change of the channel.
    expect([...outcomes].filter((each) => each !== 'unavailable')).toEqual(['nacked', 'confirmed'])
    expect(scripted.channels()).toHaveLength(2)
    expect(scripted.connections()).toBe(2)
    expect(lines.filter((line) => line.includes(`nothing but nacks for ${PATIENCE_MS} ms`))).toHaveLength(1)
  })

  test('is borne as long as the one before, however often', async () => {
    const { scripted, publish } = await openPublisher(() => false)
    await eventually(async () => {
      await Promise.all([publish(), publish()])
      expect(scripted.channels().length).toBeGreaterThan(3)
    })
    const openings = scripted.channels().map(({ openedAt }) => openedAt)
    for (const [index, openedAt] of openings.slice(1).entries())
      expect(openedAt - (openings[index] ?? 0)).toBeGreaterThan(PATIENCE_MS)
    expect(scripted.connections()).toBe(2)
  })
})

test('a channel with a confirm among the nacks is kept', async () => {
  const { scripted, publish } = await openPublisher((_, message) => message % 2 === 0)
  const until = performance.now() + 4 * PATIENCE_MS
  while (performance.now() < until) await publish()
  expect(scripted.channels()).toHaveLength(1)
})
