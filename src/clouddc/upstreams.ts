import { Pool } from 'undici'
import { createSlots, type Slots } from '../runtime/slots.ts'
import { type CreateConnections, createCreateConnections } from './create-connections.ts'

const CONNECT_TIMEOUT_MS = 10_000

/** CloudDC in one region: its address and the connections to it. */
export interface Upstream {
  origin: string
  /** With a port that is not the scheme's own. */
  host: string
  /** The path of the base URL, without a slash at its end. */
  prefix: string
  creating: CreateConnections
  reading: Pool
  readingSlots: Slots
}

export interface UpstreamsOptions {
  callTimeoutMs: number
  /** Most connections of the reading calls to one endpoint. */
  connections: number
  /** PEM: the authorities that are trusted instead of the usual ones. */
  ca?: string | undefined
}

/** The endpoints that calls go to, each with connections of its own from its first call on. */
export function createUpstreams({ callTimeoutMs, connections, ca }: UpstreamsOptions) {
  const transport = {
    // After GOAWAY, undici sends requests of an HTTP/2 connection again by itself.
    allowH2: false,
    // The exchange has a deadline of its own over the whole call.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: { timeout: Math.min(callTimeoutMs, CONNECT_TIMEOUT_MS), ...(ca === undefined ? {} : { ca }) },
  }
  const open = (endpoint: string): Upstream => {
    const { origin, host, pathname } = new URL(endpoint)
    return {
      origin,
      host,
      prefix: pathname.replace(/\/+$/, ''),
      creating: createCreateConnections({ origin, transport }),
      reading: new Pool(origin, { ...transport, connections }),
      readingSlots: createSlots({ slots: connections, maxWaiting: Number.POSITIVE_INFINITY }),
    }
  }
  const upstreams = new Map<string, Upstream>()
  let closing: Promise<void> | undefined

  const closeAll = async () => {
    await Promise.all(
      [...upstreams.values()].flatMap(({ creating, reading }) => [creating.close(), reading.close()]),
    )
  }

  return {
    /** `endpoint` is a base URL. Once closed, what is new refuses calls as well. */
    at: (endpoint: string): Upstream => {
      const known = upstreams.get(endpoint)
      if (known !== undefined) return known
      const opened = open(endpoint)
      upstreams.set(endpoint, opened)
      if (closing !== undefined) closing = Promise.all([closing, closeAll()]).then(() => undefined)
      return opened
    },
    /** Resolves when the calls in flight have ended. */
    close: (): Promise<void> => {
      closing ??= closeAll()
      return closing
    },
  }
}
