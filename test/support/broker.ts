import { connect } from 'amqplib'
import { inject } from 'vitest'
import { createVirtualHost } from '../../dev/servers/virtual-hosts.ts'

export interface TestBroker {
  /** Of an empty virtual host that nobody else uses. */
  readonly url: string
  /** Messages that are ready in the queue, not counting those delivered and unacknowledged. */
  depth(queue: string): Promise<number>
  drop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** `const broker = await createTestBroker()` at the top of a file and `afterAll(broker.drop)`, or `await using`. */
export async function createTestBroker(): Promise<TestBroker> {
  const { virtualHosts } = inject('servers')
  if (virtualHosts === undefined) throw new Error('this test run has no RabbitMQ')
  const { url, drop } = await createVirtualHost(virtualHosts)
  return {
    url,
    depth: (queue) => queueDepth(url, queue),
    drop,
    [Symbol.asyncDispose]: drop,
  }
}

async function queueDepth(url: string, queue: string): Promise<number> {
  const connection = await connect(url)
  try {
    const channel = await connection.createChannel()
    return (await channel.checkQueue(queue)).messageCount
  } finally {
    await connection.close()
  }
}
