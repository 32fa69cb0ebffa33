import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { jitteredBackoff } from '../runtime/backoff.ts'
import { coerceError } from '../runtime/errors.ts'
import { createOutageLog } from '../runtime/outage-log.ts'
import type { Service } from '../runtime/service.ts'
import { parseBrokerUrl } from './broker-address.ts'
import { TopologyError } from './errors.ts'
import { openSession, type Session, SessionClosed } from './session.ts'
import { declareTopology } from './topology.ts'

/** Something that lives on a session: a consumer or a publisher. */
export interface BrokerMember {
  /** Sets itself up on a fresh session, whose topology is declared. A failure ends the session. */
  attach(session: Session): Promise<void>
}

export type BrokerHealth = { ok: true } | { ok: false; reason: string }

/**
 * Keeps one session with the broker: connects, declares the topology, attaches the members, and when any part of it
 * is lost starts again, indefinitely, after a jittered and growing delay. `start` does not wait for the broker. Stop
 * the members first: `stop` closes the connections.
 */
export interface Broker extends Service {
  /** For readiness. The reason never holds credentials. */
  health(): BrokerHealth
  /** Attaches the member to this and every later session, until the returned function is called. */
  join(member: BrokerMember): () => void
}

export interface BrokerOptions {
  /** `amqp:` or `amqps:`, with credentials and virtual host. */
  url: string
  logger: Logger
  /** A peer silent for two to three of these is given up. Default 10. */
  heartbeatSeconds?: number
  /** For the socket, TLS and the AMQP handshake together. Default 10,000. */
  connectTimeoutMs?: number
  /** For each answer of the broker except publisher confirms. Default 15,000. */
  callTimeoutMs?: number
  /** Bounds of the delay before connecting again. Default 200 to 10,000. */
  backoffMs?: { minMs: number; maxMs: number }
  /** Shown in the broker's list of connections. Default `provisioner`. */
  connectionName?: string
}

/** A session that lasted this long ends the outage before it: a link that breaks every second is one outage. */
const SETTLED_AFTER_MS = 10_000

/** Throws when the URL is not one of a broker. */
export function createBroker({
  url,
  logger,
  heartbeatSeconds = 10,
  connectTimeoutMs = 10_000,
  callTimeoutMs = 15_000,
  backoffMs = { minMs: 200, maxMs: 10_000 },
  connectionName = 'provisioner',
}: BrokerOptions): Broker {
  const address = parseBrokerUrl(url, { heartbeatSeconds })
  const members = new Set<BrokerMember>()
  const stopping = new AbortController()
  const outage = createOutageLog({ logger, subject: `broker ${address.display}` })
  let current: Session | undefined
  let ready = false
  let everConnected = false
  let failures = 0
  let trouble = 'not started'
  let running: Promise<void> | undefined

  const attach = async (member: BrokerMember, session: Session) => {
    try {
      await member.attach(session)
    } catch (error) {
      session.fail(coerceError(error))
    }
  }

  /** One session from its opening to its end. Returns the reason of the end. */
  const runSession = async (): Promise<Error> => {
    let session: Session | undefined
    const onStop = () => {
      if (!ready) session?.fail(new SessionClosed('stopped before the session was ready'))
    }
    stopping.signal.addEventListener('abort', onStop)
    try {
      const options = { address, connectionName, connectTimeoutMs, callTimeoutMs, declareTopology }
      const opened = await openSession(options, stopping.signal)
      session = opened
      await opened.declare()
      current = opened
      await Promise.all([...members].map((member) => attach(member, opened)))
      opened.signal.throwIfAborted()
      ready = true
      if (!everConnected) logger.info({ broker: address.display }, 'broker: connected')
      everConnected = true
      const settled = setTimeout(() => {
        failures = 0
        outage.recovered()
      }, SETTLED_AFTER_MS)
      await ended(opened.signal, stopping.signal)
      clearTimeout(settled)
      if (!opened.signal.aborted) await opened.close()
      return coerceError(opened.signal.reason)
    } catch (error) {
      session?.fail(coerceError(error))
      return coerceError(error)
    } finally {
      stopping.signal.removeEventListener('abort', onStop)
      current = undefined
      ready = false
    }
  }

  const run = async () => {
    while (!stopping.signal.aborted) {
      const error = await runSession()
      if (stopping.signal.aborted) break
      failures += 1
      const another = wordsOf(error) !== trouble
      trouble = wordsOf(error)
      // An outage is logged once; a fault that only a person can fix is logged even in the middle of one.
      if (failures > 1 && another && error instanceof TopologyError)
        logger.error({ err: error }, `broker: ${error.message}`)
      outage.failed(error)
      const delay = jitteredBackoff(failures, backoffMs)
      await sleep(delay, undefined, { signal: stopping.signal }).catch(() => undefined)
    }
    trouble = 'stopped'
  }

  return {
    name: 'broker',
    start: async () => {
      if (stopping.signal.aborted || running !== undefined) return
      trouble = 'connecting'
      running = run()
    },
    stop: async () => {
      stopping.abort()
      trouble = 'stopped'
      await running
    },
    health: () => {
      if (current === undefined || !ready)
        return { ok: false, reason: `no session with the broker: ${trouble}` }
      const blocked = current.blockedReason()
      return blocked === null
        ? { ok: true }
        : { ok: false, reason: `the broker blocks publishers: ${blocked}` }
    },
    join: (member) => {
      members.add(member)
      if (current !== undefined) void attach(member, current)
      return () => members.delete(member)
    },
  }
}

/** A connect that failed on every address of a host has a code and no message. */
function wordsOf(error: Error): string {
  return error.message || String((error as { code?: unknown }).code ?? error.name)
}

/** Resolves when one of the signals has aborted. */
function ended(...signals: AbortSignal[]): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => {
      for (const signal of signals) signal.removeEventListener('abort', settle)
      resolve()
    }
    for (const signal of signals) {
      if (signal.aborted) return settle()
      signal.addEventListener('abort', settle)
    }
  })
}
