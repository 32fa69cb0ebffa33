import type { Channel, ConsumeMessage } from 'amqplib'
import { openLink } from '../../src/amqp/link.ts'
import { REPLAY_EXCHANGE } from '../../src/amqp/topology.ts'
import { createDatabase } from '../../src/database/database.ts'
import type { PastEvents } from '../../src/outbox/past-events.ts'
import { replayEvents } from '../../src/outbox/replay.ts'
import { silentLogger } from './clouddc-client.ts'

/** Sends past events to a target again, beside the service. Returns how many were sent. */
export async function sendAgain(
  servers: { databaseUrl: string; amqpUrl: string },
  target: string,
  events: PastEvents,
): Promise<number> {
  const database = createDatabase({ url: servers.databaseUrl, poolSize: 2, logger: silentLogger })
  const link = await openLink(servers.amqpUrl, 'replay of a test')
  let sent = 0
  const onSent = () => {
    sent += 1
  }
  try {
    const { publisher } = link
    await replayEvents({ database, publisher, target, events, perSecond: 1000, onSent })
    return sent
  } finally {
    await link.close()
    await database.close()
  }
}

/** What is replayed to a target, in a queue of its own. */
export async function receiveReplay(channel: Channel, target: string): Promise<ConsumeMessage[]> {
  const messages: ConsumeMessage[] = []
  await channel.assertExchange(REPLAY_EXCHANGE, 'direct', { durable: true })
  const { queue } = await channel.assertQueue('', { exclusive: true })
  await channel.bindQueue(queue, REPLAY_EXCHANGE, target)
  await channel.consume(queue, (message) => message && messages.push(message), { noAck: true })
  return messages
}
