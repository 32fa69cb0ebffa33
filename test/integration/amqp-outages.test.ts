import { type ChannelModel, connect } from 'amqplib'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Servers, startServers } from '../../dev/servers.ts'
import { type Broker, createBroker } from '../../src/amqp/connection.ts'
import { createConsumer } from '../../src/amqp/consumer.ts'
import { createPublisher } from '../../src/amqp/publisher.ts'
import { EVENT_EXCHANGE, REQUEST_QUEUE } from '../../src/amqp/topology.ts'
import type { Service } from '../../src/runtime/service.ts'
import { eventually } from '../support/eventually.ts'
import { requestMessage, SHORT_BACKOFF } from './amqp-world.ts'

const CONFIRM_TIMEOUT_MS = 3000

// A broker of this file's own, as others would suffer from what it goes through. One that was given is not ours to
// harm: there, a private one is started all the same.
let servers: Servers
let broker: Broker
const running: Service[] = []
const lines: string[] = []
const logger = pino({ level: 'debug' }, { write: (line: string) => lines.push(line) })

beforeAll(async () => {
  const { TEST_AMQP_URL: _test, AMQP_URL: _contract, ...environment } = process.env
  servers = await startServers({ postgres: false, environment, virtualHosts: 4 })
})

afterEach(async () => {
  for (const service of running.splice(0).reverse()) await service.stop()
})

afterAll(() => servers.stop())

async function run<S extends Service>(service: S): Promise<S> {
  await service.start()
  running.push(service)
  return service
}

const healthy = () => eventually(() => expect(broker.health()).toEqual({ ok: true }))

async function setUp() {
  const { url } = await servers.createVhost()
  broker = await run(createBroker({ url, logger, backoffMs: SHORT_BACKOFF }))
  await healthy()
  const publisher = await run(createPublisher({ broker, logger, confirmTimeoutMs: CONFIRM_TIMEOUT_MS }))
  await eventually(() => publisher.publish(requestMessage('probe', { exchange: EVENT_EXCHANGE })))
  const received: string[] = []
  const consume = (prefetch = 50) =>
    run(
      createConsumer({
        broker,
        queue: REQUEST_QUEUE,
        prefetch,
        logger,
        handle: async ({ body }) => {
          received.push(body.toString())
          return 'ack'
        },
      }),
    )
  return { url, publisher, received, consume }
}

const depthOf = async (connection: ChannelModel) => {
  const channel = await connection.createChannel()
  const { messageCount } = await channel.checkQueue(REQUEST_QUEUE)
  await channel.close()
  return messageCount
}

describe('a broker that is short of memory', () => {
  it('blocks publishing, not consuming, and nothing that was sent is given up', async () => {
    const { url, publisher, received, consume } = await setUp()
    await Promise.all(
      Array.from({ length: 100 }, (_, index) => publisher.publish(requestMessage(`before ${index}`))),
    )
    await servers.setMemoryAlarm(true)
    let settled = false
    const sent = publisher.publish(requestMessage('during')).finally(() => {
      settled = true
    })
    await eventually(() =>
      expect(broker.health()).toEqual({
        ok: false,
        reason: expect.stringContaining('the broker blocks publishers'),
      }),
    )
    const blockedAt = performance.now()
    await expect(publisher.publish(requestMessage('refused'))).rejects.toMatchObject({ kind: 'unavailable' })

    await consume()
    await eventually(() => expect(received).toHaveLength(100))
    const observer = await connect(url)
    expect(await depthOf(observer)).toBe(0)
    await observer.close()

    // The confirm timeout must not count here.
    await eventually(() => expect(performance.now() - blockedAt).toBeGreaterThan(1.5 * CONFIRM_TIMEOUT_MS))
    expect(settled).toBe(false)
    expect(broker.health().ok).toBe(false)
    await servers.setMemoryAlarm(false)
    await sent
    await eventually(() => expect(received).toHaveLength(101))
    await healthy()
    expect(lines.join()).not.toContain('no publisher confirm')
  })
})

describe('a broker that restarts', () => {
  it.each([
    ['after it was killed', () => servers.killRabbitmq()],
    ['in good order', async () => undefined],
  ])('%s, keeps what it confirmed, and is used again', async (_, kill) => {
    const { publisher, received, consume } = await setUp()
    const declaredAt = performance.now()
    const confirmed = new Set<string>()
    const attempted = new Set<string>()
    let publishing = true
    let count = 0
    const publishOne = async () => {
      while (publishing) {
        const body = String(count++)
        attempted.add(body)
        await publisher.publish(requestMessage(body)).then(
          () => confirmed.add(body),
          () => new Promise((resolve) => setTimeout(resolve, 50)),
        )
      }
    }
    // RabbitMQ 3.10 forgets a quorum queue that is younger than two seconds when it is killed.
    await eventually(() => expect(performance.now() - declaredAt).toBeGreaterThan(5000))
    const publishers = Array.from({ length: 50 }, publishOne)
    await eventually(() => expect(confirmed.size).toBeGreaterThan(500))
    await kill()
    await servers.restartRabbitmq()
    await healthy()
    const before = confirmed.size
    await eventually(() => expect(confirmed.size).toBeGreaterThan(before + 500))
    publishing = false
    await Promise.all(publishers)

    await consume(500)
    await eventually(() => expect(new Set(received).isSupersetOf(confirmed)).toBe(true))
    expect(attempted.isSupersetOf(new Set(received))).toBe(true)
  })
})
