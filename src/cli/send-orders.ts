import { PublishError, type PublishFailure } from '../amqp/errors.ts'
import type { Link } from '../amqp/link.ts'
import { publishPatiently } from '../amqp/publish-patiently.ts'
import { REQUEST_EXCHANGE, REQUEST_QUEUE, REQUEST_ROUTING_KEY } from '../amqp/topology.ts'
import { brokerFault } from './broker.ts'
import { CommandError } from './command-error.ts'
import type { Order } from './read-orders.ts'

/** Unconfirmed orders at a time. */
const IN_FLIGHT = 500
/** The session is not opened again: a message whose confirm is lost with it is not sent again. */
const PASSING: readonly PublishFailure[] = ['nacked', 'unavailable']

/** Publishes the orders, each until it is confirmed. Throws a CommandError when the broker takes one no more. */
export async function sendOrders(
  { publisher, signal }: Pick<Link, 'publisher' | 'signal'>,
  orders: readonly Order[],
  onConfirmed: () => void,
): Promise<void> {
  let next = 0
  const failed = new AbortController()
  const ending = AbortSignal.any([failed.signal, signal])
  const sendOn = async () => {
    for (let order = orders[next]; order !== undefined && !failed.signal.aborted; order = orders[next]) {
      next += 1
      try {
        await publishPatiently(publisher, messageOf(order), { signal: ending, passing: PASSING })
      } catch (error) {
        failed.abort()
        throw explained(error)
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

function explained(error: unknown): unknown {
  if (!(error instanceof PublishError)) return error
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
