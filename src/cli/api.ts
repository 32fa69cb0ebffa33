import type { AccessRole } from '../access/who-may.ts'
import { refused, strange, unreachable } from './api-errors.ts'
import type { Settings } from './settings.ts'

export type Query = Readonly<Record<string, string | number | undefined>>

/** The service's HTTP API. Whatever is not answered well is thrown as a CommandError. */
export interface Api {
  readonly url: string
  read<Reply>(path: string, query?: Query): Promise<Reply>
  change<Reply>(change: Change): Promise<Reply>
}

export interface Change {
  method: 'POST' | 'PUT' | 'DELETE'
  path: string
  query?: Query
  body?: object
}

/** Longer than the service holds a reply (`wait`). */
const TIMEOUT_MS = 75_000

/** `role` is what a caller needs for what is asked here, to tell those who lack it. */
export function createApi({ url, token }: Pick<Settings, 'url' | 'token'>, role: AccessRole | null): Api {
  /** What was read last, with its tag: who reads it again is told when nothing has changed. */
  let last: { address: string; tag: string; reply: unknown } | undefined

  const send = async (address: string, { method, body }: { method: string; body?: object | undefined }) => {
    const seen = method === 'GET' && last?.address === address ? last : undefined
    const headers: Record<string, string> = {
      accept: 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(seen === undefined ? {} : { 'if-none-match': seen.tag }),
    }
    const reply = await fetch(address, {
      method,
      headers,
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }).catch((error: unknown) => {
      throw unreachable(url, error)
    })
    const { status } = reply
    if (status === 304 && seen !== undefined) return seen.reply
    const text = await reply.text().catch((error: unknown) => {
      throw unreachable(url, error)
    })
    const content = /json/.test(reply.headers.get('content-type') ?? '') ? parsed(text) : undefined
    if (content === undefined) throw strange(url, status)
    if (!reply.ok) {
      const needed = method === 'GET' && !address.startsWith(`${url}/operations/`) ? 'read' : role
      throw refused({ status, problem: content, url, hasToken: token !== undefined, role: needed })
    }
    const tag = reply.headers.get('etag')
    if (tag !== null && method === 'GET') last = { address, tag, reply: content }
    return content
  }

  return {
    url,
    read: async <Reply>(path: string, query?: Query) =>
      (await send(url + withQuery(path, query), { method: 'GET' })) as Reply,
    change: async <Reply>({ method, path, query, body }: Change) =>
      (await send(url + withQuery(path, query), { method, body })) as Reply,
  }
}

export function withQuery(path: string, query: Query = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined)
  const text = new URLSearchParams(
    given.map(([name, value]): [string, string] => [name, String(value)]),
  ).toString()
  return text === '' ? path : `${path}?${text}`
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
