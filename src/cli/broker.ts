import { type Bound, type Link, openLink } from '../amqp/link.ts'
import type { Delivery } from '../amqp/message.ts'
import { coerceError } from '../runtime/errors.ts'
import { CommandError } from './command-error.ts'

/** The link to RabbitMQ, with words for a person where it fails. */

const REACH_NEXT = 'is RabbitMQ running, and AMQP_URL its address, with user, password and virtual host?'
const NOT_FOUND = 404
const ACCESS_REFUSED = 403

/** Closed when `use` is over. */
export async function withLink<Result>(
  amqpUrl: string,
  use: (link: Link) => Promise<Result>,
): Promise<Result> {
  const link = await openLink(amqpUrl, 'provisioner command').catch((error: unknown) => {
    const { message, code } = coerceError(error) as Error & { code?: unknown }
    const why = message || String(code ?? 'no answer')
    throw new CommandError('failed', 'broker_unreachable', `the broker cannot be reached: ${why}`, {
      next: REACH_NEXT,
      cause: error,
    })
  })
  try {
    return await use(link)
  } finally {
    await link.close()
  }
}

export async function listen(
  link: Link,
  where: Bound,
  onMessage: (delivery: Delivery) => void,
): Promise<void> {
  try {
    await link.listen(where, onMessage)
  } catch (error) {
    throw brokerFault(error, `cannot listen to the exchange ${where.exchange}`)
  }
}

/** Resolves never; rejects when the link is lost. */
export function lost(link: Link): Promise<never> {
  return new Promise((_, reject) => {
    const fail = () => {
      const why = coerceError(link.signal.reason).message
      reject(
        new CommandError('failed', 'broker_lost', `the link to the broker is lost: ${why}`, {
          next: REACH_NEXT,
        }),
      )
    }
    if (link.signal.aborted) fail()
    else link.signal.addEventListener('abort', fail)
  })
}

/** What the broker refuses, by its code. */
export function brokerFault(error: unknown, what: string): CommandError {
  const fault = coerceError(error)
  const code = codeIn(fault)
  const next =
    code === NOT_FOUND
      ? 'has the service ever run on this virtual host? It declares exchanges and queues when it starts'
      : code === ACCESS_REFUSED
        ? 'the user of AMQP_URL needs rights for ^provision there: docs/operations.md#rabbitmq-policies'
        : REACH_NEXT
  return new CommandError('failed', 'broker_refused', `${what}: ${fault.message}`, { next, cause: error })
}

/** The AMQP reply code that an error, or one that it was made of, has. */
function codeIn(error: Error): unknown {
  const { code, cause } = error as Error & { code?: unknown }
  return typeof code === 'number' || cause === undefined ? code : codeIn(coerceError(cause))
}
