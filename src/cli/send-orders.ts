import { setTimeout as sleep } from 'node:timers/promises'
import { PublishError } from '../amqp/errors.ts'
import type { Link } from '../amqp/link.ts'
import { REQUEST_EXCHANGE, REQUEST_QUEUE, REQUEST_ROUTING_KEY } from '../amqp/topology.ts'
import { jitteredBackoff } from '../runtime/backoff.ts'
import { brokerFault } from './broker.ts'
import { CommandError } from './command-error.ts'
import type { Order } from './read-orders.ts'

/** Unconfirmed orders at a time. */
const IN_FLIGHT = 500
const RETRY_MS = { minMs: 100, maxMs: 5000 }
/** With these delays, about half a minute. */
const MAX_TRIES = 12

/** Publishes the orders, each until it is confirmed. Throws a CommandError when the broker takes one no more. */
export async function sendOrders(
  { publisher, signal }: Pick<Link, 'publisher' | 'signal'>,
  orders: readonly Order[],
  onConfirmed: () => void,
): Promise<void> {
  let next = 0
  let failed = false
  const send = async (order: Order) => {
    for (let tries = 1; ; tries += 1) {
      try {
        return await publisher.publish(messageOf(order))
      } catch (error) {
        if (!(error instanceof PublishError)) throw error
        const passes = error.kind === 'nacked' || error.kind === 'unavailable'
        if (!passes || failed || signal.aborted || tries >= MAX_TRIES) throw explained(error)
        await sleep(jitteredBackoff(tries, RETRY_MS))
      }
    }
  }
  const sendOn = async () => {
    for (let order = orders[next]; order !== undefined && !failed; order = orders[next]) {
      next += 1
      try {
        await send(order)
      } catch (error) {
        failed = true
        throw error
      }
      onConfirmed()
    }
  }
  const senders = await Promise.allSettled(Array.from({ length: Math.min(IN_FLIGHT, orders.length) }, sendOn))
  const refusal = senders.find((sender) => sender.status === 'rejected')
  if (refusal !== undefined) throw refusal.reason
}

const messageOf = ({ body, contentType, requestId }: Order) => ({
  exchange: REQUEST_EXCHANGE,
  routingKey: REQUEST_ROUTING_KEY,
  body,
  properties: { contentType, messageId: requestId },
  mandatory: true,
})

function explained(error: PublishError): CommandError {
  if (error.kind === 'returned')
    return new CommandError('failed', 'no_queue', `no queue takes orders: ${REQUEST_QUEUE} is not bound`, {
      next: 'has the service ever run on this virtual host? It declares the queue when it starts',
      cause: error,
    })
  if (error.kind === 'nacked')
    return new CommandError(
      'failed',
      'queue_full',
      `the broker takes no orders: ${REQUEST_QUEUE} may be full`,
      {
        next: 'run it again later: what was taken is not ordered twice',
        cause: error,
      },
    )
  return brokerFault(error, 'the broker has not confirmed all orders')
}
