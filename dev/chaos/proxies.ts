import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setPriority } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Direction } from '../tcp-proxy.ts'
import type { Link } from './plan.ts'

const MAIN = fileURLToPath(new URL('proxy-main.ts', import.meta.url))

type Action =
  | { action: 'open'; target: { host: string; port: number } }
  | { action: 'pass' | 'refuse' | 'freeze' }
  | { action: 'cut'; how: 'reset' | 'fin' }
  | { action: 'delay'; ms: number; direction?: Direction }
  | { action: 'dropAfter'; bytes: number; direction: Direction; afterwards: 'cut' | 'swallow' }

export type ProxyOrder = Action & { id: number; name: Link }
export interface ProxyAnswer {
  id: number
  /** Of a proxy that was opened. */
  port: number | null
  error?: string
}

/** The proxies between the service and its servers. */
export interface Proxies {
  /** The address with the proxy's in place of its own; opens the proxy. */
  open(name: Link, url: string): Promise<string>
  tell(name: Link, action: Exclude<Action, { action: 'open' }>): Promise<void>
  close(): Promise<void>
}

/**
 * Starts a process for the proxies alone, ahead of others where that is allowed: a busy one would gather calls and
 * pass them on in a bunch, and break the call limit that it is there to test.
 */
export function startProxies(): Proxies {
  const child = fork(MAIN, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const waiting = new Map<number, { resolve: (port: number) => void; reject: (error: Error) => void }>()
  let lastId = 0
  try {
    setPriority(child.pid ?? 0, -10)
  } catch {
    // Only for the superuser.
  }
  child.on('message', ({ id, port, error }: ProxyAnswer) => {
    const asked = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) asked?.resolve(port ?? 0)
    else asked?.reject(new Error(error))
  })
  child.on('exit', () => {
    for (const { reject } of waiting.values()) reject(new Error('the proxies have ended'))
    waiting.clear()
  })
  const order = (name: Link, action: Action): Promise<number> =>
    new Promise((resolve, reject) => {
      lastId += 1
      waiting.set(lastId, { resolve, reject })
      child.send({ ...action, id: lastId, name } satisfies ProxyOrder, (error) => {
        if (error) reject(error)
      })
    })
  return {
    open: async (name, url) => {
      const target = new URL(url)
      const port = await order(name, {
        action: 'open',
        target: { host: target.hostname, port: Number(target.port) },
      })
      target.hostname = '127.0.0.1'
      target.port = String(port)
      return target.href
    },
    tell: async (name, action) => {
      await order(name, action)
    },
    close: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.disconnect()
      await ended
    },
  }
}
