import type { Logger } from 'pino'
import type { Backend } from './backends.sql.ts'

export interface SilenceWatchOptions {
  /** How long an answer may be out before the server is asked, in milliseconds. */
  silentMs: number
  server: {
    /** Of these, those from which no answer can come any more. */
    findLost(backends: readonly Backend[]): Promise<readonly Backend[]>
    end(backends: readonly Backend[]): Promise<unknown>
  }
  logger: Logger
  now?: () => number
}

/** What the watch is told of one connection. */
export interface Watched {
  /** A statement is sent. */
  asked(): void
  /** Everything that was sent is answered. */
  answered(): void
  ended(): void
}

export interface SilenceWatch {
  /** Watches a connection until it has ended; `drop` breaks it, as a reset would. */
  watch(backend: Backend, drop: (error: Error) => void): Watched
}

interface Connection {
  backend: Backend
  drop: (error: Error) => void
  /** When the statement was sent whose answer is out; null while it is idle. */
  askedAt: number | null
  answeredAt: number
}

/**
 * Finds the connections whose network has gone silent: packets are lost, and neither side notices. While an answer is
 * out for long, the server is asked on another connection whether it still works on it. Where it does not, the
 * connection is broken, and so is every idle one that was last heard of before: it is unknown whether they are alive,
 * and new ones cost little. The server ends them too, or their transactions would keep holding locks. A statement
 * that is only slow is left alone, and one that is quick costs nothing.
 */
export function createSilenceWatch(options: SilenceWatchOptions): SilenceWatch {
  const { silentMs, server, logger, now = () => performance.now() } = options
  const connections = new Set<Connection>()
  let timer: NodeJS.Timeout | undefined
  let looking = false
  let nextLookAt = Number.NEGATIVE_INFINITY
  let alarmUntil = Number.NEGATIVE_INFINITY

  const look = async () => {
    // Where one connection was found dead, what is sent on the others is most likely lost too.
    const limitMs = now() < alarmUntil ? silentMs / 3 : silentMs
    const silent = [...connections]
      .map((connection) => ({ connection, askedAt: connection.askedAt ?? Number.POSITIVE_INFINITY }))
      .filter(({ askedAt }) => now() - askedAt >= limitMs)
    if (silent.length === 0 || now() < nextLookAt) return
    const lost = new Set(await server.findLost(silent.map(({ connection }) => connection.backend)))
    // An answer that has come meanwhile was only late.
    const dead = silent.filter(
      ({ connection, askedAt }) => lost.has(connection.backend) && connection.askedAt === askedAt,
    )
    if (dead.length === 0) {
      nextLookAt = now() + silentMs
      return
    }
    alarmUntil = now() + 2 * silentMs
    const since = Math.min(...dead.map(({ askedAt }) => askedAt))
    const doubtful = [...connections].filter(
      ({ askedAt, answeredAt }) => askedAt === null && answeredAt < since,
    )
    logger.warn({ dead: dead.length, doubtful: doubtful.length }, 'dropped silent database connections')
    const dropped = [...dead.map(({ connection }) => connection), ...doubtful]
    for (const { drop } of dropped) drop(new Error('the connection to the database has gone silent'))
    await server.end(dropped.map(({ backend }) => backend))
  }

  const tick = () => {
    if (looking) return
    looking = true
    look()
      .catch((error: unknown) => logger.debug({ err: error }, 'silent database connections not looked into'))
      .finally(() => {
        looking = false
      })
  }

  return {
    watch: (backend, drop) => {
      const connection: Connection = { backend, drop, askedAt: null, answeredAt: now() }
      connections.add(connection)
      timer ??= setInterval(tick, silentMs / 3).unref()
      return {
        asked: () => {
          connection.askedAt = now()
        },
        answered: () => {
          connection.askedAt = null
          connection.answeredAt = now()
        },
        ended: () => {
          connections.delete(connection)
          if (connections.size > 0) return
          clearInterval(timer)
          timer = undefined
        },
      }
    },
  }
}
