import { parseBrokerUrl, tlsOptionsOf, withTlsFiles } from '../amqp/broker-address.ts'
import { type Environment, valuesOf } from '../environment.ts'
import { coerceError } from '../runtime/errors.ts'
import { wrongUse } from './command-error.ts'

/** Where a service is that listens where it does by default. */
const DEFAULT_URL = 'http://127.0.0.1:8080'

export interface Settings {
  /** Of the service's API, without a slash at its end. */
  url: string
  /** A key, or a signed token. */
  token: string | undefined
  /** Throws a CommandError where the environment has none. */
  amqpUrl(): string
}

const TLS_FILES = { cacertfile: 'AMQP_CA_FILE', certfile: 'AMQP_CERT_FILE', keyfile: 'AMQP_KEY_FILE' }

/**
 * PROVISIONER_URL, PROVISIONER_TOKEN and AMQP_URL, the secret ones also from files, and the broker's files of TLS. Throws
 * a CommandError.
 */
export function readSettings(environment: Environment): Settings {
  const names = ['PROVISIONER_URL', 'PROVISIONER_TOKEN', 'AMQP_URL', ...Object.values(TLS_FILES)]
  const { values, faults } = valuesOf(environment, names, ['PROVISIONER_TOKEN', 'AMQP_URL'])
  if (faults.length > 0) throw wrongUse(faults.join('; '))
  const url = values.PROVISIONER_URL ?? DEFAULT_URL
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw wrongUse('PROVISIONER_URL must be an address that begins with http:// or https://')
  const { username, password, search, hash } = new URL(url)
  if (username || password || search || hash)
    throw wrongUse('PROVISIONER_URL must have no user, password, query or fragment')
  const token = values.PROVISIONER_TOKEN
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token))
    throw wrongUse('PROVISIONER_TOKEN must be one word of printable ASCII characters')
  return {
    url: url.replace(/\/+$/, ''),
    token,
    amqpUrl: () => readAmqpUrl(values),
  }
}

function readAmqpUrl(values: Record<string, string | undefined>): string {
  const { AMQP_URL: given } = values
  const next = 'set it to the address of RabbitMQ: amqp://user:password@host/vhost'
  if (given === undefined) throw wrongUse('AMQP_URL is not set', next)
  try {
    const files = Object.entries(TLS_FILES).map(([parameter, name]) => [parameter, values[name]])
    const url = withTlsFiles(given, Object.fromEntries(files))
    tlsOptionsOf(parseBrokerUrl(url, { heartbeatSeconds: 10 }))
    return url
  } catch (error) {
    throw wrongUse(`AMQP_URL: ${coerceError(error).message}`, next)
  }
}
