import type { Certificate } from '../runtime/certificate.ts'
import { readAuthorities, readOwnCertificate } from '../runtime/tls-files.ts'

/** What the URL says of TLS, by the names of RabbitMQ's own clients; null where it says nothing. */
interface BrokerTls {
  cacertfile: string | null
  certfile: string | null
  keyfile: string | null
  server_name_indication: string | null
}

/** As `tls.connect` takes them. */
export interface BrokerTlsOptions extends Partial<Certificate> {
  ca?: string
  servername?: string
}

export interface BrokerAddress {
  /** What amqplib connects to: the given URL without its credentials, with the heartbeat interval. */
  url: string
  username: string
  password: string
  /** For logs: scheme, host, port and virtual host. */
  display: string
  tls: BrokerTls
}

/**
 * Splits an `amqp:` or `amqps:` URL. The heartbeat goes into the query, the only place where amqplib 2 looks for it;
 * one that is already there wins. No error of this function holds any part of the URL, as it carries a password.
 */
export function parseBrokerUrl(
  text: string,
  { heartbeatSeconds }: { heartbeatSeconds: number },
): BrokerAddress {
  if (!URL.canParse(text)) throw new Error('the broker URL is not a valid URL')
  const url = new URL(text)
  if (url.protocol !== 'amqp:' && url.protocol !== 'amqps:') {
    throw new Error('the broker URL must begin with amqp: or amqps:')
  }
  const anonymous = url.username === '' && url.password === ''
  const username = anonymous ? 'guest' : decoded(url.username)
  const password = anonymous ? 'guest' : decoded(url.password)
  url.username = ''
  url.password = ''
  const display = `${url.protocol}//${url.host}${url.pathname}`
  const tls = takeTls(url)
  if (!url.searchParams.has('heartbeat')) url.searchParams.set('heartbeat', String(heartbeatSeconds))
  return { url: url.href, username, password, display, tls }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new Error('user or password of the broker URL is not percent-encoded correctly')
  }
}

/** The same URL with these files for TLS. Throws where it names one itself. */
export function withTlsFiles(text: string, files: Partial<Record<keyof BrokerTls, string | null>>): string {
  const url = new URL(text)
  for (const [name, path] of Object.entries(files)) {
    if (path === null || path === undefined) continue
    if (url.searchParams.has(name)) throw new Error(`${name} names a file as well`)
    url.searchParams.set(name, path)
  }
  return url.href
}

/** What a connection needs beside the address. Reads the files anew: certificates are renewed while a replica runs. */
export function tlsOptionsOf({ tls }: BrokerAddress): BrokerTlsOptions {
  const { cacertfile, certfile, keyfile, server_name_indication: servername } = tls
  return {
    ...(cacertfile === null ? {} : { ca: readAuthorities(cacertfile) }),
    ...(certfile === null || keyfile === null
      ? {}
      : readOwnCertificate({ certFile: certfile, keyFile: keyfile })),
    ...(servername === null ? {} : { servername }),
  }
}

/** Takes what concerns TLS out of the URL. */
function takeTls({ protocol, searchParams }: URL): BrokerTls {
  const take = (name: string) => {
    const value = searchParams.get(name)
    searchParams.delete(name)
    return value === '' ? null : value
  }
  const verify = take('verify')
  if (verify !== null && verify !== 'verify_peer')
    throw new Error('verify must be verify_peer: the certificate of the broker is always verified')
  const tls = {
    cacertfile: take('cacertfile'),
    certfile: take('certfile'),
    keyfile: take('keyfile'),
    server_name_indication: take('server_name_indication'),
  }
  if ((tls.certfile === null) !== (tls.keyfile === null))
    throw new Error('certfile and keyfile belong together')
  if (protocol === 'amqp:' && Object.values(tls).some((value) => value !== null))
    throw new Error('amqp: is not encrypted: files for TLS need amqps:')
  return tls
}
