import type { AccessRole } from '../access/who-may.ts'
import type { Problem } from '../contracts/status.ts'
import { coerceError } from '../runtime/errors.ts'
import { tlsFault } from '../runtime/tls-fault.ts'
import { CommandError } from './command-error.ts'
import { faultLine } from './fault-line.ts'

/** What a reply that is no good means, and what a person can do about it. */

const CONNECT_FAULTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there',
  ECONNRESET: 'the connection was cut',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the name of the host cannot be resolved now',
  ETIMEDOUT: 'no answer in time',
  UND_ERR_CONNECT_TIMEOUT: 'no answer in time',
  EHOSTUNREACH: 'there is no way to the host',
  ENETUNREACH: 'there is no way to the host',
  UND_ERR_SOCKET: 'the connection was cut',
}

/** No answer came. */
export function unreachable(url: string, error: unknown): CommandError {
  const { name, message, cause } = coerceError(error)
  const below = cause === undefined ? undefined : coerceError(cause)
  const code = String((below as { code?: unknown } | undefined)?.code ?? '')
  const timedOut = name === 'TimeoutError' ? 'no answer in time' : null
  const tls = below === undefined ? null : tlsFault(below)
  const why = timedOut ?? tls ?? CONNECT_FAULTS[code] ?? below?.message ?? message
  return new CommandError('failed', 'unreachable', `the service at ${url} cannot be reached: ${why}`, {
    next:
      tls === null
        ? 'is a replica with the role api running? PROVISIONER_URL says where'
        : 'NODE_EXTRA_CA_CERTS names a file with further authorities',
    passes: true,
    cause: error,
  })
}

/** Something answers that is not the service. */
export function strange(url: string, status: number): CommandError {
  return new CommandError(
    'failed',
    'not_the_service',
    `what answers at ${url} is not the service (HTTP ${status})`,
    {
      next: 'PROVISIONER_URL must be the address of the API, as http://127.0.0.1:8080',
      // A gateway in front of it, while the service restarts.
      passes: status >= 500,
    },
  )
}

/** A problem document (RFC 9457), or what looks like one. */
export function refused({
  status,
  problem,
  url,
  hasToken,
  role,
}: {
  status: number
  problem: unknown
  url: string
  hasToken: boolean
  role: AccessRole | null
}): CommandError {
  const { code, detail, title, errors, evidence } = problem as Partial<Problem> & { evidence?: unknown }
  if (code === undefined) return strange(url, status)
  const faults = (errors ?? []).map(faultLine)
  const found =
    evidence === null || evidence === undefined ? [] : [`what is known: ${JSON.stringify(evidence)}`]
  const message = [detail ?? title ?? `HTTP ${status}`, ...faults, ...found].join('\n  ')
  const next =
    NEXT_BY_DETAIL.find(([words]) => words.test(detail ?? ''))?.[1] ??
    nextOf(status, code, { hasToken, role })
  const ending = status === 404 ? 'not_found' : status === 400 ? 'wrong_use' : 'failed'
  return new CommandError(ending, code, message, { next, passes: status === 429 || status >= 500 })
}

/** By the service's words, where its code stands for several things. */
const NEXT_BY_DETAIL: readonly (readonly [words: RegExp, next: string])[] = [
  [
    /^there is nothing at this path$/,
    'is PROVISIONER_URL the address of the API, and the service of this version?',
  ],
  [
    / has no provision request /,
    'list <project> shows those that there are; what was rejected, dead-letters list',
  ],
  [/^there is no run /, 'audit names the runs that were begun'],
]

function nextOf(
  status: number,
  code: string,
  { hasToken, role }: { hasToken: boolean; role: AccessRole | null },
): string | null {
  if (status === 401)
    return hasToken
      ? 'PROVISIONER_TOKEN is not known there, or not any more: ask for a new key'
      : 'set PROVISIONER_TOKEN, or PROVISIONER_TOKEN_FILE, to your key or token'
  if (code === 'no_queue') return 'bind the queue of the consumer with that key first, or leave --target out'
  if (code === 'foreign_host')
    return 'use a name of the service in PROVISIONER_URL, or add this one to API_HOSTS'
  if (status === 403 && role === 'operate')
    return 'it needs a key with the role operate, and mostly for all projects ("*")'
  if (status === 403) return `it needs a key with the role ${role ?? 'read'} for this project`
  if (status === 429 || status === 503) return 'try again in a moment'
  if (status >= 500) return 'the log of the replica says more; it names the route and the time'
  return null
}
