import { type Dispatcher, errors, Pool } from 'undici'

/** What became of a call, as far as its connection is concerned. */
export type CallEnd =
  | 'answered'
  /** Nothing was written. */
  | 'not_sent'
  /** It was written, and no whole answer came. */
  | 'lost'

export interface CreateConnections {
  /** The dispatcher for one call; `end` reports what became of it. */
  take(): { dispatcher: Dispatcher; end: (end: CallEnd) => void }
  close(): Promise<void>
}

/** A kept connection that waits longer than this for its next call is closed. */
const IDLE_MS = 250
/** How long a connection must have stood idle: one that the peer closes at once, as announced, does not count. */
const PROOF_MS = 200
/** How long after a loss connections are not kept. */
const DISTRUST_MS = 10 * 60_000

/**
 * Connections for batch-create, whose outcome is unknown when the peer closes a kept connection in the instant a call
 * is written to it. A fresh connection for each call has no such instant, but costs four times the call's own processor
 * time, and a TLS handshake.
 *
 * So a connection is kept only once the peer has proven to leave idle ones open: a single one that nobody else uses
 * must outlive its answer, until it is closed from here, by as long as a kept one then waits for its next call. A
 * peer that closes after each answer never proves it. One call lost, for whatever reason, ends the trust for
 * DISTRUST_MS.
 */
export function createCreateConnections({
  origin,
  transport,
  now = () => performance.now(),
}: {
  origin: string
  transport: Pool.Options
  now?: () => number
}): CreateConnections {
  // No bound on their number: a call must not wait for another one's. Pipelining 0: a connection for each call.
  const fresh = new Pool(origin, { ...transport, pipelining: 0 })
  const kept = new Pool(origin, {
    ...transport,
    pipelining: 1,
    keepAliveTimeout: IDLE_MS,
    keepAliveMaxTimeout: IDLE_MS,
  })
  let trusted = false
  let distrustedUntil = Number.NEGATIVE_INFINITY
  /** The one connection under proof; `answeredAt` is null while its call is under way. */
  let proof: { answeredAt: number | null } | undefined

  kept.on('disconnect', (_origin, _targets, error) => {
    if (proof === undefined) return
    // Undici says so of a connection that it closes itself.
    const closedFromHere = error instanceof errors.InformationalError
    trusted = closedFromHere && proof.answeredAt !== null && now() - proof.answeredAt >= PROOF_MS
    proof = undefined
  })

  const distrust = () => {
    trusted = false
    distrustedUntil = now() + DISTRUST_MS
  }

  return {
    take: () => {
      if (trusted) return { dispatcher: kept, end: (end) => end === 'lost' && distrust() }
      if (proof !== undefined || now() < distrustedUntil) return { dispatcher: fresh, end: () => undefined }
      const own: { answeredAt: number | null } = { answeredAt: null }
      proof = own
      return {
        dispatcher: kept,
        end: (end) => {
          own.answeredAt = now()
          if (end !== 'answered' && proof === own) proof = undefined
          if (end === 'lost') distrust()
        },
      }
    },
    close: async () => {
      await Promise.all([fresh.close(), kept.close()])
    },
  }
}
