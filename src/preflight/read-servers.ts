import { setTimeout as sleep } from 'node:timers/promises'
import { applyCallResults } from '../budget/apply-call-results.sql.ts'
import { effectOfNoCall } from '../budget/call-effect.ts'
import { newsOfReading } from '../budget/credential-effect.ts'
import { LateCallError, type Lateness } from '../budget/lateness.ts'
import { payForReading, type ReadingPayment } from '../budget/pay-for-reading.sql.ts'
import { OtherCredentialError, type PayingCredentials } from '../budget/paying-credentials.ts'
import type { CloudDcClient } from '../clouddc/client.ts'
import { CloudDcNotSentError, CloudDcUnexpectedError } from '../clouddc/errors.ts'
import type { Database } from '../database/database.ts'
import { isReady, type SeenServer } from './decide.ts'

/** Between two tries for a token; a bucket may be opened before its time. */
const MIN_WAIT_MS = 10
const MAX_WAIT_MS = 500
/** The longest wait for a closed bucket, such as that of a credential whose first call is under way. */
const MAX_CLOSED_WAIT_MS = 2000
/** A listing of more servers than that is not read to its end. */
const MAX_PAGES = 20

/** Thrown where there is no call to be had for a reading soon enough. */
export class NotPaidError extends Error {
  override readonly name = 'NotPaidError'
  /** The bucket is closed: no call of any kind is made. */
  readonly closed: boolean

  constructor(message: string, { closed }: { closed: boolean }) {
    super(message)
    this.closed = closed
  }
}

export interface ReadServersOptions {
  database: Database
  client: Pick<CloudDcClient, 'countReadyServers' | 'listServers'>
  projectId: string
  /** Shared by all readings of the process. */
  lateness: Lateness
  credentials: PayingCredentials
  /** No call is begun later than so many milliseconds after the first payment was asked for. */
  limitMs: number
  signal: AbortSignal
  onToken: () => void
}

/** Calls of a project, each paid for like a page of a listing: somebody waits for it. */
export function createReadingCalls(options: ReadServersOptions) {
  const { database, client, projectId, lateness, credentials, limitMs, signal, onToken } = options
  const beganAt = performance.now()
  let paid: ReadingPayment | undefined

  const beforeWrite = () => {
    if (paid === undefined) return
    credentials.check({ ...paid, projectId })
    lateness.check(paid)
  }
  /** The call that was paid for last has ended, with an error or with none. One that was not made is paid back. */
  const ended = async (error: unknown): Promise<void> => {
    const payment = paid
    paid = undefined
    if (payment === undefined) return
    credentials.tell(payment, newsOfReading(error))
    if (error instanceof CloudDcNotSentError)
      await applyCallResults(database, [effectOfNoCall({ projectId, payment: payment.payment })])
  }

  /** Waits for a token. Throws NotPaidError where the bucket is closed or the time is over. */
  const pay = async (): Promise<void> => {
    for (;;) {
      signal.throwIfAborted()
      const lateMs = lateness.usualMs()
      const payment = await payForReading(database, { projectId, purpose: 'listing', share: 0, lateMs })
      if (payment === null) return
      if (payment.granted) {
        onToken()
        paid = payment
        try {
          beforeWrite()
          return
        } catch (error) {
          if (!(error instanceof LateCallError || error instanceof OtherCredentialError)) throw error
          await ended(new CloudDcNotSentError(error.message))
          continue
        }
      }
      if (payment.closed && payment.waitMs > MAX_CLOSED_WAIT_MS)
        throw new NotPaidError('the project is closed', { closed: true })
      if (performance.now() - beganAt > limitMs) {
        throw new NotPaidError(`no token within ${limitMs} ms`, { closed: false })
      }
      await sleep(Math.min(MAX_WAIT_MS, Math.max(MIN_WAIT_MS, payment.waitMs)), undefined, { signal })
    }
  }

  const all = async (): Promise<Map<string, SeenServer>> => {
    const servers = new Map<string, SeenServer>()
    let marker: string | undefined
    for (let pages = 1; ; pages += 1) {
      if (pages > 1) {
        await ended(null)
        await pay()
      }
      const page = await client.listServers({
        projectId,
        beforeWrite,
        ...(marker === undefined ? {} : { marker }),
      })
      for (const server of page.servers) servers.set(server.id, server)
      const { nextMarker: next, total } = page
      if (next === null || page.servers.length === 0 || next === marker || pages >= MAX_PAGES) {
        // An absence is believed, so the listing must be complete.
        if (servers.size < (total ?? 0) || (next !== null && pages >= MAX_PAGES))
          throw new CloudDcUnexpectedError('the listing of servers is not complete')
        return servers
      }
      marker = next
    }
  }

  return {
    pay,
    /** After a payment. Throws CloudDcError, and for further pages NotPaidError. */
    read: async (whole: boolean): Promise<{ ready: number; servers: Map<string, SeenServer> | null }> => {
      try {
        const servers = whole ? await all() : null
        const ready =
          servers === null
            ? await client.countReadyServers({ projectId, beforeWrite })
            : [...servers.values()].filter(isReady).length
        await ended(null)
        return { ready, servers }
      } catch (error) {
        await ended(error)
        throw error
      }
    },
  }
}
