import { setMaxListeners } from 'node:events'
import type { Socket } from 'node:net'
import { type ChannelModel, connect, credentials, type SocketOptions } from 'amqplib'
import { tlsFault } from '../runtime/tls-fault.ts'
import { type BrokerAddress, tlsOptionsOf } from './broker-address.ts'
import { readOwnHeaders } from './content-header.ts'
import { withDeadline } from './deadline.ts'
import { DeadlineError } from './errors.ts'
import { type HeldReading, holdReading } from './held-reading.ts'
import type { DeclareOn } from './topology.ts'

/**
 * One life of the link to the broker: two connections, since a broker short of memory stops reading from those that
 * publish, and acknowledgements must still get through.
 *
 * Any loss ends the whole session: the signal aborts with the reason, both sockets are destroyed, and nothing of the
 * session is ever used again. Whatever uses part of it watches the signal.
 */
export interface Session {
  readonly consuming: ChannelModel
  readonly publishing: ChannelModel
  /** Holds back what the broker sends on the consuming connection, its answers included. */
  readonly reading: HeldReading
  readonly signal: AbortSignal
  /** The largest frame the broker takes, in bytes. */
  readonly frameMax: number
  /** Why the broker has stopped reading what is published, or null. */
  blockedReason(): string | null
  /** Ends the session. Only the first call counts. */
  fail(error: Error): void
  /** Awaits a call to the broker; one that is not answered in time ends the session. */
  within<T>(what: string, call: () => Promise<T>): Promise<T>
  /** Runs declarations on a channel of their own, since a refused one closes its channel. */
  declareOn: DeclareOn
  /** Declares the topology. */
  declare(): Promise<void>
  /** Says goodbye to the broker, then ends the session. Unsettled publishes are lost: await them before. */
  close(): Promise<void>
}

export interface SessionOptions {
  address: BrokerAddress
  /** Shown in the broker's list of connections. */
  connectionName: string
  connectTimeoutMs: number
  /** For each answer of the broker except publisher confirms. */
  callTimeoutMs: number
  declareTopology: (on: DeclareOn) => Promise<void>
}

/** The service itself ended the session. */
export class SessionClosed extends Error {
  override readonly name = 'SessionClosed'
}

/** Opens both connections, or throws the error of the first that failed. Aborting `stop` ends the attempt. */
export async function openSession(options: SessionOptions, stop: AbortSignal): Promise<Session> {
  const { address, connectionName, connectTimeoutMs, callTimeoutMs } = options
  const over = new AbortController()
  const { signal } = over
  setMaxListeners(0, signal)
  let blocked: string | null = null
  let closing = false

  const fail = (error: Error) => {
    if (!signal.aborted) over.abort(error)
  }
  const onStop = () => fail(new SessionClosed('stopped while connecting'))
  if (stop.aborted) onStop()
  stop.addEventListener('abort', onStop)

  const open = async (purpose: string): Promise<ChannelModel> => {
    const socket: SocketOptions & { signal: AbortSignal } = {
      ...tlsOptionsOf(address),
      credentials: credentials.plain(address.username, address.password),
      clientProperties: { connection_name: `${connectionName} (${purpose})` },
      noDelay: true,
      keepAlive: true,
      signal,
    }
    const what = `connect to ${address.display}`
    const connecting = connect(address.url, socket).catch((error: unknown) => {
      throw explained(error)
    })
    const connection = await withDeadline(connecting, { what, ms: connectTimeoutMs, signal })
    gatherWrites(connection)
    let cause: Error | undefined
    connection.on('error', (error: Error) => {
      cause = error
      if (!closing) fail(error)
    })
    connection.on('close', (error?: Error) => {
      if (!closing) fail(error ?? cause ?? new Error('the broker closed the connection'))
    })
    return connection
  }

  try {
    signal.throwIfAborted()
    const [consuming, publishing] = await Promise.all([open('consume'), open('publish')])
    readOwnHeaders(consuming)
    const reading = holdReading(consuming)
    signal.addEventListener('abort', reading.release)
    publishing.on('blocked', (reason: string) => {
      blocked = reason
    })
    publishing.on('unblocked', () => {
      blocked = null
    })
    signal.throwIfAborted()

    const within = async <T>(what: string, call: () => Promise<T>): Promise<T> => {
      signal.throwIfAborted()
      try {
        return await withDeadline(call(), { what, ms: callTimeoutMs, signal })
      } catch (error) {
        if (error instanceof DeadlineError) fail(error)
        throw error
      }
    }

    const declareOn: DeclareOn = async (what, declare) => {
      const channel = await within('open a channel', () => publishing.createChannel())
      // The call in progress rejects with the same error; without a listener it would end the connection.
      channel.on('error', () => undefined)
      const answer = await within(what, () => declare(channel))
      await within('close a channel', () => channel.close())
      return answer
    }

    return {
      consuming,
      publishing,
      reading,
      signal,
      frameMax: (publishing.connection as unknown as { frameMax: number }).frameMax,
      blockedReason: () => blocked,
      fail,
      within,
      declareOn,
      declare: () => options.declareTopology(declareOn),
      close: async () => {
        closing = true
        const goodbyes = [consuming, publishing].map((connection) => connection.close())
        await withDeadline(Promise.allSettled(goodbyes), { what: 'close', ms: callTimeoutMs, signal }).catch(
          () => undefined,
        )
        fail(new SessionClosed('closed'))
      },
    }
  } catch (error) {
    fail(error instanceof Error ? error : new Error(String(error)))
    throw signal.reason
  } finally {
    stop.removeEventListener('abort', onStop)
  }
}

/**
 * amqplib writes each message to the socket by itself, a system call each. What it writes in one go is gathered into
 * one: corked at the first write, released when the running callback has ended. That saves the relay 7 % of
 * its time per event, and the broker 12 %; held until the end of the whole turn (setImmediate) it saved no more.
 */
function gatherWrites(connection: ChannelModel): void {
  const { stream } = connection.connection as unknown as { stream: Socket }
  const write = stream.write.bind(stream) as (...args: unknown[]) => boolean
  let gathering = false
  stream.write = (...args: unknown[]) => {
    if (!gathering) {
      gathering = true
      stream.cork()
      process.nextTick(() => {
        gathering = false
        stream.uncork()
      })
    }
    return write(...args)
  }
}

/** In plain words; amqplib does not pass on the broker's when it refuses the last step of the handshake. */
function explained(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const tls = tlsFault(error)
  if (tls !== null) return new Error(tls, { cause: error })
  if (!error.message.startsWith('Expected ConnectionOpenOk')) return error
  const reasons = 'it does not exist, the user has no permission for it, or it has too many connections'
  return new Error(`the broker refused the virtual host: ${reasons}`, { cause: error })
}
