import type { ConnectionOptions } from 'node:tls'
import { readAuthorities, readOwnCertificate } from '../runtime/tls-files.ts'

/** Thrown for a URL whose parameters of TLS make no sense; the message holds no other part of it. */
export class DatabaseUrlError extends Error {
  override readonly name = 'DatabaseUrlError'
}

/** Where connections to Postgres go, and how: what `pg.Client` takes. */
export interface ServerAddress {
  connectionString: string
  ssl?: false | ConnectionOptions
  sslnegotiation?: 'postgres' | 'direct'
}

const TLS_PARAMETERS = ['ssl', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'sslnegotiation']
const FILES = ['sslrootcert', 'sslcert', 'sslkey']
/** What `ssl` means in terms of `sslmode`. */
const MODES_OF_SSL: Readonly<Record<string, string>> = {
  true: 'verify-full',
  1: 'verify-full',
  false: 'disable',
  0: 'disable',
  'no-verify': 'no-verify',
}

/**
 * Reads the parameters of TLS out of a URL, by rules of our own (README, "TLS"): what encrypts also verifies, unless it
 * says otherwise. Node-postgres would take every mode for verify-full, and its next version for libpq's. Reads the files
 * that the URL names. Without any such parameter node-postgres decides, by PGSSLMODE.
 *
 * @throws {DatabaseUrlError | TlsFileError}
 */
export function parseDatabaseUrl(text: string): ServerAddress {
  const url = URL.parse(text)
  if (url === null || !TLS_PARAMETERS.some((name) => url.searchParams.has(name)))
    return { connectionString: text }
  const given = (name: string) => url.searchParams.get(name) || null
  const ssl = tlsOf(given)
  const negotiation = given('sslnegotiation')
  for (const name of TLS_PARAMETERS) url.searchParams.delete(name)
  return {
    connectionString: url.href,
    ssl,
    ...(negotiation === null ? {} : { sslnegotiation: negotiation as 'postgres' | 'direct' }),
  }
}

/** The same URL with an authority of its own, and encrypted unless it says otherwise. */
export function withAuthority(text: string, caFile: string): string {
  const url = new URL(text)
  if (url.searchParams.has('sslrootcert'))
    throw new DatabaseUrlError('sslrootcert names an authority as well')
  url.searchParams.set('sslrootcert', caFile)
  return url.href
}

function tlsOf(given: (name: string) => string | null): false | ConnectionOptions {
  if (given('uselibpqcompat') === 'true')
    throw new DatabaseUrlError('uselibpqcompat is not known here: what sslmode means is in the README')
  const mode = modeOf(given)
  const [rootCert, certFile, keyFile] = FILES.map(given) as [string | null, string | null, string | null]
  if (mode === 'disable') {
    if (rootCert ?? certFile ?? keyFile ?? null)
      throw new DatabaseUrlError('sslmode=disable, and yet files for TLS')
    return false
  }
  if ((certFile === null) !== (keyFile === null))
    throw new DatabaseUrlError('sslcert and sslkey belong together')
  // libpq's word for the authorities that the program trusts anyway.
  const ownAuthority = rootCert !== null && rootCert !== 'system'
  if (mode === 'verify-ca' && !ownAuthority)
    throw new DatabaseUrlError(
      'sslmode=verify-ca needs an authority of your own: anybody can have a certificate',
    )
  return {
    ...(ownAuthority ? { ca: readAuthorities(rootCert) } : {}),
    ...(certFile !== null && keyFile !== null ? readOwnCertificate({ certFile, keyFile }) : {}),
    ...(mode === 'verify-ca' ? { checkServerIdentity: () => undefined } : {}),
    ...(mode === 'no-verify' ? { rejectUnauthorized: false } : {}),
  }
}

function modeOf(given: (name: string) => string | null): string {
  const ssl = given('ssl')
  const mode = given('sslmode') ?? (ssl === null ? 'verify-full' : MODES_OF_SSL[ssl])
  switch (mode) {
    case 'disable':
    case 'require':
    case 'verify-ca':
    case 'verify-full':
    case 'no-verify':
      return mode
    case 'allow':
    case 'prefer':
      throw new DatabaseUrlError(
        `sslmode=${mode} leaves open whether anything is encrypted: give disable or require`,
      )
    default:
      throw new DatabaseUrlError('sslmode must be disable, require, verify-ca, verify-full or no-verify')
  }
}
