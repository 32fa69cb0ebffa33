import { parseBrokerUrl } from '../amqp/broker-address.ts'
import { type BrokerFacts, inspectBroker } from '../amqp/inspect-broker.ts'
import { coerceError } from '../runtime/errors.ts'
import { type Finding, type Found, fault, isSound, look, ok, skipped, warning } from './finding.ts'
import { unreached } from './unreached.ts'

/** Whether the broker can be reached, and has what the service needs or lets it make that. */
export async function checkBroker(url: string): Promise<Finding[]> {
  let facts: BrokerFacts | undefined
  const reached = await look('broker', async () => {
    try {
      facts = await inspectBroker(url)
      return serverOf(facts, url)
    } catch (error) {
      return unreachable(coerceError(error), url)
    }
  })
  const topology = await look('topology', () =>
    facts === undefined || !isSound(reached) ? skipped('the broker is not reached') : topologyOf(facts),
  )
  return [reached, topology]
}

function serverOf({ server }: BrokerFacts, url: string): Found {
  const words = `${server} at ${placeOf(url)}`
  const [major = 0, minor = 0] = (/(\d+)\.(\d+)/.exec(server) ?? []).slice(1).map(Number)
  return major > 3 || (major === 3 && minor >= 10) || major === 0
    ? ok(words)
    : fault(words, 'RabbitMQ 3.10 or newer is needed')
}

function topologyOf({ missing, requests, deadLetters, objection }: BrokerFacts): Found {
  if (objection !== null)
    return fault(
      objection,
      'the user needs configure, write and read permission for ^provision in this virtual host',
    )
  if (missing.length > 0) return ok(`not there yet: ${missing.join(', ')}; the service makes it at its start`)
  const { messages = 0, consumers = 0 } = requests ?? {}
  const words = `complete; ${messages} messages wait for ${consumers} consumers, ${deadLetters?.messages ?? 0} dead letters`
  if (messages > 0 && consumers === 0) return warning(words, 'start a replica with the role intake')
  return ok(words)
}

function unreachable(error: Error & { code?: unknown }, url: string): Found {
  const at = placeOf(url)
  const { username } = parseBrokerUrl(url, { heartbeatSeconds: 10 })
  // What the session says of TLS has its cause within.
  const reason = error.cause instanceof Error && error.message.startsWith('TLS:') ? error.cause : error
  const found = unreached(reason, {
    what: 'RabbitMQ',
    at,
    settings: 'AMQP_URL',
    caSetting: 'AMQP_CA_FILE',
  })
  if (found !== null) return found
  if (/virtual host/.test(error.message))
    return fault(
      `${error.message} (${at})`,
      `check the path of AMQP_URL; rabbitmqctl add_vhost, rabbitmqctl set_permissions -p <virtual host> ${username}`,
    )
  if (/ACCESS[_-]REFUSED/.test(error.message))
    return fault(`RabbitMQ refuses user ${username} or the password`, 'check user and password in AMQP_URL')
  return fault(`RabbitMQ at ${at}: ${error.message}`, 'check AMQP_URL')
}

function placeOf(url: string): string {
  return parseBrokerUrl(url, { heartbeatSeconds: 10 }).display
}
