import { tlsFault } from '../runtime/tls-fault.ts'
import { type Found, fault } from './finding.ts'

/** Why a server was not reached, by the code of the error; null when it is not for want of reaching it. */
export function unreached(
  error: { code?: unknown; message: string },
  server: { what: string; at: string; settings: string; caSetting: string },
): Found | null {
  const { what, at, settings, caSetting } = server
  const tls = tlsFault(error)
  if (tls !== null) return fault(`${what} at ${at}: ${tls}`, tlsRemedy(tls, caSetting))
  switch (wordOf(error)) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return fault(
        `${what}: the name of ${at} cannot be resolved`,
        `check the host in ${settings}, and the DNS of this machine`,
      )
    case 'ECONNREFUSED':
      return fault(`${what}: nobody listens at ${at}`, `start it, or correct host and port in ${settings}`)
    case 'ECONNRESET':
    case 'EPIPE':
      return fault(
        `${what} at ${at} cuts connections`,
        `check that ${settings} has the right port, with or without TLS`,
      )
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'ETIMEDOUT':
      return fault(
        `${what}: no answer from ${at}`,
        `check ${settings}, and what lies on the way: routes, firewalls, security groups`,
      )
    default:
      return null
  }
}

const CODES = /\b(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|EPIPE|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT)\b/
const TIMEOUTS = /timeout|timed out|no answer within/i

function wordOf({ code, message }: { code?: unknown; message: string }): string | undefined {
  const named = CODES.exec(String(code ?? ''))?.[0] ?? CODES.exec(message)?.[0]
  if (named !== undefined) return named
  return TIMEOUTS.test(`${String(code ?? '')} ${message}`) ? 'ETIMEDOUT' : undefined
}

function tlsRemedy(words: string, caSetting: string): string {
  if (/expired|not valid yet/.test(words)) return "renew the server's certificate, or set the clock right"
  if (/not trusted/.test(words)) return `name its authority in ${caSetting} (README, TLS)`
  if (/this host/.test(words)) return 'use the host name that its certificate is for'
  if (/shown/.test(words))
    return 'check AMQP_CERT_FILE and AMQP_KEY_FILE: the server must trust their authority'
  return 'check that this port speaks TLS (README, TLS)'
}
