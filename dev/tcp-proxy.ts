import { createServer, connect as dial, type Socket } from 'node:net'

/** `up` is from the client to the server, `down` from the server to the client. */
export type Direction = 'up' | 'down'

/**
 * A TCP proxy that can misbehave. It starts out passing everything. Faults apply to the connections there are and to
 * later ones, until `pass`.
 */
export interface TcpProxy {
  readonly host: string
  readonly port: number
  /** The URL with this proxy in place of its host and port. */
  through(url: string): string
  /** Ends every fault. What was held back then flows; what was swallowed is gone. */
  pass(): void
  /** Breaks every connection, by reset or, with `fin`, in good order. New ones are welcome. */
  cut(how?: 'reset' | 'fin'): void
  /** Resets new connections at once, as if nobody listened. */
  refuse(): void
  /** Accepts new connections and never answers. */
  ignore(): void
  /** Stops forwarding without closing anything, also of closes. Default: both directions. */
  freeze(direction?: Direction): void
  /** Freezes the connections there are for good, as a network does that loses their packets. New ones are welcome. */
  strand(): void
  /** Delays every chunk. Default: both directions. */
  delay(ms: number, direction?: Direction): void
  /** Forwards n more bytes, over all connections, then cuts them all, or swallows the rest and keeps them open. */
  dropAfter(bytes: number, direction: Direction, then?: 'cut' | 'swallow'): void
  connections(): number
  /** New connections refused so far. */
  refused(): number
  /** Bytes forwarded so far. */
  forwarded(direction: Direction): number
  close(): Promise<void>
}

interface Fault {
  frozen: boolean
  delayMs: number
  /** Bytes that may still pass, or null for all. */
  quota: number | null
  afterQuota: 'cut' | 'swallow'
  /** The quota is used up, and the cut is about to come. */
  cutting: boolean
  forwarded: number
}

interface Link {
  client: Socket
  server: Socket | undefined
  stranded: boolean
  /** Looks again at what is held back. */
  refresh(): void
}

/** Reading from a side stops when so much is held back, so that the far side feels the pressure. */
const HELD_BYTES = 1024 * 1024

export async function createTcpProxy({
  target,
  host = '127.0.0.1',
  port = 0,
}: {
  target: { host: string; port: number }
  host?: string
  /** Default: a free one. */
  port?: number
}): Promise<TcpProxy> {
  const faults: Record<Direction, Fault> = { up: noFault(), down: noFault() }
  const links = new Set<Link>()
  let refused = 0
  let welcome: 'pass' | 'refuse' | 'ignore' = 'pass'

  const cut = (how: 'reset' | 'fin' = 'reset') => {
    for (const link of links) {
      for (const socket of [link.client, link.server]) {
        if (how === 'fin') socket?.destroySoon()
        else socket?.resetAndDestroy()
      }
    }
    links.clear()
  }

  const refresh = () => {
    for (const link of links) link.refresh()
  }

  const set = (direction: Direction | undefined, change: Partial<Fault>) => {
    for (const each of direction === undefined ? (['up', 'down'] as const) : [direction]) {
      Object.assign(faults[each], change)
    }
    refresh()
  }

  const listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    client.on('error', () => undefined)
    if (welcome === 'refuse') {
      refused += 1
      client.resetAndDestroy()
      return
    }
    if (welcome === 'ignore') {
      const link: Link = { client, server: undefined, stranded: false, refresh: () => undefined }
      links.add(link)
      client.on('close', () => links.delete(link))
      return
    }
    const server = dial({ ...target, allowHalfOpen: true, noDelay: true })
    const isStranded = () => link.stranded
    const link: Link = {
      client,
      server,
      stranded: false,
      refresh: () => {
        up()
        down()
      },
    }
    const up = pipe(client, server, faults.up, cut, isStranded)
    const down = pipe(server, client, faults.down, cut, isStranded)
    links.add(link)
    const onClose = () => {
      if (client.destroyed && server.destroyed) links.delete(link)
    }
    client.on('close', onClose)
    server.on('close', onClose)
  })
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject)
    listener.listen(port, host, resolve)
  })
  const address = listener.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy listens on no port')

  return {
    host,
    port: address.port,
    through: (text) => {
      const url = new URL(text)
      url.hostname = host
      url.port = String(address.port)
      return url.href
    },
    pass: () => {
      welcome = 'pass'
      set(undefined, { frozen: false, delayMs: 0, quota: null })
    },
    cut,
    refuse: () => {
      welcome = 'refuse'
    },
    ignore: () => {
      welcome = 'ignore'
    },
    freeze: (direction) => set(direction, { frozen: true }),
    strand: () => {
      for (const link of links) link.stranded = true
      refresh()
    },
    delay: (ms, direction) => set(direction, { delayMs: ms }),
    dropAfter: (bytes, direction, then = 'cut') => set(direction, { quota: bytes, afterQuota: then }),
    connections: () => links.size,
    refused: () => refused,
    forwarded: (direction) => faults[direction].forwarded,
    close: async () => {
      const closed = new Promise<void>((resolve) => listener.close(() => resolve()))
      cut()
      await closed
    },
  }
}

function noFault(): Fault {
  return { frozen: false, delayMs: 0, quota: null, afterQuota: 'cut', cutting: false, forwarded: 0 }
}

/** Forwards one direction of a connection, chunks, end and reset, in order. Returns what looks at the faults again. */
function pipe(
  from: Socket,
  to: Socket,
  fault: Fault,
  cut: () => void,
  isStranded: () => boolean,
): () => void {
  type Held = { dueAt: number; chunk: Buffer | 'end' | 'reset' }
  const held: Held[] = []
  let heldBytes = 0
  let timer: NodeJS.Timeout | undefined

  const isFrozen = () => fault.frozen || isStranded()

  const hold = (chunk: Held['chunk']) => {
    held.push({ dueAt: performance.now() + fault.delayMs, chunk })
    if (Buffer.isBuffer(chunk)) heldBytes += chunk.length
    release()
  }

  const forward = (chunk: Held['chunk']) => {
    if (chunk === 'end') return void to.end()
    if (chunk === 'reset') return void to.resetAndDestroy()
    const passing = fault.quota === null ? chunk : chunk.subarray(0, fault.quota)
    if (passing.length > 0) to.write(passing)
    fault.forwarded += passing.length
    if (fault.quota === null) return
    fault.quota -= passing.length
    if (fault.quota === 0 && fault.afterQuota === 'cut' && !fault.cutting) {
      fault.cutting = true
      // The bytes that may pass are on their way: give them a turn before the reset. Until then nothing more passes.
      setImmediate(() => {
        cut()
        fault.cutting = false
        fault.quota = null
      })
    }
  }

  const release = () => {
    clearTimeout(timer)
    for (let next = held[0]; next !== undefined && !isFrozen(); next = held[0]) {
      const waitMs = next.dueAt - performance.now()
      if (waitMs > 0 && fault.delayMs > 0) {
        timer = setTimeout(release, waitMs)
        break
      }
      held.shift()
      if (Buffer.isBuffer(next.chunk)) heldBytes -= next.chunk.length
      if (!to.destroyed) forward(next.chunk)
    }
    const stuffed = isFrozen() || heldBytes >= HELD_BYTES || to.writableLength >= HELD_BYTES
    if (stuffed) from.pause()
    else from.resume()
  }

  from.on('data', hold)
  from.on('end', () => hold('end'))
  from.on('error', () => hold('reset'))
  to.on('close', () => clearTimeout(timer))
  to.on('drain', release)
  release()
  return release
}
