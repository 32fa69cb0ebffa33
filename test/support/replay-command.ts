import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import type { Channel, ConsumeMessage } from 'amqplib'
import { REPLAY_EXCHANGE } from '../../src/amqp/topology.ts'

/** `npm run replay` on these servers; rejects when it fails. */
export function runReplay(
  servers: { databaseUrl: string; amqpUrl: string },
  args: readonly string[],
): Promise<{ stdout: string; stderr: string }> {
  return promisify(execFile)('npm', ['run', '--silent', 'replay', '--', ...args], {
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      DATABASE_URL: servers.databaseUrl,
      AMQP_URL: servers.amqpUrl,
      CLOUDDC_ENDPOINT: 'http://127.0.0.1:9',
      SECRET_KEYS: `k:${randomBytes(32).toString('base64')}`,
    },
  })
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
