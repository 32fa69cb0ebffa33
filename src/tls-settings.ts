import { parseBrokerUrl, tlsOptionsOf, withTlsFiles } from './amqp/broker-address.ts'
import { parseDatabaseUrl, withAuthority } from './database/server-address.ts'
import { coerceError } from './runtime/errors.ts'
import { readAuthorities, readOwnCertificate } from './runtime/tls-files.ts'

/** What the environment says of TLS; paths, or null. */
export interface TlsSettings {
  databaseUrl: string
  databaseCaFile: string | null
  amqpUrl: string
  amqpCaFile: string | null
  amqpCertFile: string | null
  amqpKeyFile: string | null
  clouddcCaFile: string | null
}

/**
 * Puts the files of TLS into the addresses of database and broker, so that whoever connects has them, and looks into
 * each, so that a fault shows at the start and not as a connection that fails. No fault holds a secret.
 */
export function addressesWithTls(settings: TlsSettings): {
  databaseUrl: string
  amqpUrl: string
  faults: string[]
} {
  const faults: string[] = []
  const checks = createChecks(faults)
  checks.authorities('CLOUDDC_CA_FILE', settings.clouddcCaFile)
  return {
    databaseUrl: databaseUrlOf(settings, 'DATABASE_URL', checks),
    amqpUrl: amqpUrlOf(settings, checks),
    faults,
  }
}

/** The same for the database alone, whose address is in the setting of that name. */
export function databaseAddressWithTls(
  settings: DatabaseTls,
  name: string,
): { databaseUrl: string; faults: string[] } {
  const faults: string[] = []
  return { databaseUrl: databaseUrlOf(settings, name, createChecks(faults)), faults }
}

type DatabaseTls = Pick<TlsSettings, 'databaseUrl' | 'databaseCaFile'>

interface Checks {
  /** Null when the work has failed, which is a fault of the setting. */
  attempt: <Result>(name: string, work: () => Result) => Result | null
  /** Whether the file, if there is one, holds authorities. */
  authorities: (name: string, path: string | null) => boolean
}

function createChecks(faults: string[]): Checks {
  const attempt: Checks['attempt'] = (name, work) => {
    try {
      return work()
    } catch (error) {
      faults.push(`${name}: ${coerceError(error).message}`)
      return null
    }
  }
  return {
    attempt,
    authorities: (name, path) => path === null || attempt(name, () => readAuthorities(path)) !== null,
  }
}

function databaseUrlOf(
  { databaseUrl: given, databaseCaFile: caFile }: DatabaseTls,
  name: string,
  { attempt, authorities }: Checks,
): string {
  if (!authorities('DATABASE_CA_FILE', caFile)) return given
  const url = attempt('DATABASE_CA_FILE', () => (caFile === null ? given : withAuthority(given, caFile)))
  if (url !== null) attempt(name, () => parseDatabaseUrl(url))
  return url ?? given
}

function amqpUrlOf(settings: TlsSettings, { attempt, authorities }: Checks): string {
  const { amqpUrl: given, amqpCaFile: cacertfile, amqpCertFile: certfile, amqpKeyFile: keyfile } = settings
  const sound = [
    authorities('AMQP_CA_FILE', cacertfile),
    attempt('AMQP_CERT_FILE', () => {
      if ((certfile === null) !== (keyfile === null))
        throw new Error('belongs together with AMQP_KEY_FILE: one of them is missing')
      return (
        certfile === null || keyfile === null || readOwnCertificate({ certFile: certfile, keyFile: keyfile })
      )
    }),
  ]
  if (sound.some((result) => result === null || result === false)) return given
  const url = attempt('AMQP_URL', () => withTlsFiles(given, { cacertfile, certfile, keyfile }))
  if (url !== null) attempt('AMQP_URL', () => tlsOptionsOf(parseBrokerUrl(url, { heartbeatSeconds: 10 })))
  return url ?? given
}
