import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { VirtualHostSource } from './server.ts'

export interface CreatedVirtualHost {
  readonly url: string
  readonly name: string
  /** Removes it with all it holds; one from a private broker's pool is left to end with that broker. */
  drop(): Promise<void>
}

/** The names of a private broker's virtual hosts, made before it starts: creating one later takes seconds. */
export function pooledName(index: number): string {
  return `clouddc-${index}`
}

/** A virtual host of one's own, whichever process asks. */
export async function createVirtualHost(source: VirtualHostSource): Promise<CreatedVirtualHost> {
  if (source.from === 'management') return createThroughManagement(source)
  for (let index = 0; index < source.size; index += 1) {
    const name = pooledName(index)
    if (claim(join(source.claims, name))) {
      return { url: withVirtualHost(source.url, name), name, drop: async () => undefined }
    }
  }
  throw new Error(`all ${source.size} virtual hosts of the private broker are taken`)
}

/** Making a folder succeeds for one process only. */
function claim(folder: string): boolean {
  try {
    mkdirSync(folder)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}

function withVirtualHost(url: string, name: string): string {
  const changed = new URL(url)
  changed.pathname = `/${encodeURIComponent(name)}`
  return changed.href
}

async function createThroughManagement(
  source: Extract<VirtualHostSource, { from: 'management' }>,
): Promise<CreatedVirtualHost> {
  const name = `clouddc-${randomBytes(6).toString('hex')}`
  const user = new URL(source.url).username || 'guest'
  const path = `vhosts/${encodeURIComponent(name)}`
  await callManagement(source, 'PUT', path, {})
  const everything = { configure: '.*', write: '.*', read: '.*' }
  await callManagement(source, 'PUT', `permissions/${encodeURIComponent(name)}/${user}`, everything)
  return {
    url: withVirtualHost(source.url, name),
    name,
    drop: () => callManagement(source, 'DELETE', path),
  }
}

async function callManagement(
  { url, managementUrl }: Extract<VirtualHostSource, { from: 'management' }>,
  method: string,
  path: string,
  body?: object,
): Promise<void> {
  const { username, password } = new URL(url)
  const credentials = `${decodeURIComponent(username) || 'guest'}:${decodeURIComponent(password) || 'guest'}`
  const base = new URL(managementUrl)
  const target = new URL(`${base.pathname.replace(/\/$/, '')}/api/${path}`, base)
  const explain = (what: string) =>
    `RabbitMQ's management API at ${base.origin} ${what}; each run makes a virtual host of its own through it ` +
    '(RABBITMQ_MANAGEMENT_URL names another address)'
  let response: Response
  try {
    response = await fetch(target, {
      method,
      headers: {
        authorization: `Basic ${Buffer.from(credentials).toString('base64')}`,
        'content-type': 'application/json',
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(10_000),
    })
  } catch (error) {
    throw new Error(explain('cannot be reached'), { cause: error })
  }
  await response.arrayBuffer()
  if (!response.ok) throw new Error(explain(`answered ${response.status} to ${method} ${path}`))
}
