import { setTimeout as sleep } from 'node:timers/promises'
import { applyCallResults } from '../budget/apply-call-results.sql.ts'
import { effectOfNoCall } from '../budget/call-effect.ts'
import { newsOfReading } from '../budget/credential-effect.ts'
import { LateCallError, type Lateness } from '../budget/lateness.ts'
import { payForReading, type ReadingPayment } from '../budget/pay-for-reading.sql.ts'
import { OtherCredentialError, type PayingCredentials } from '../budget/paying-credentials.ts'
import type { CloudDcClient } from '../clouddc/client.ts'
import { CloudDcError, CloudDcNotSentError } from '../clouddc/errors.ts'
import type { UpstreamInstance } from '../clouddc/wire.ts'
import type { Database } from '../database/database.ts'
import { startAge } from '../runtime/age.ts'

/** ListInstances takes at most 100 server ids, according to CloudDC's API reference. */
const SERVERS_PER_CALL = 100
/** Between two tries for a token; a bucket may be opened before its time. */
const MIN_WAIT_MS = 20
const MAX_WAIT_MS = 500
/** Longest wait for a closed bucket. */
const MAX_CLOSED_WAIT_MS = 2000

/** Thrown when the project's bucket is closed: no listing, now or for a while. */
export class BucketClosedError extends Error {
  override readonly name = 'BucketClosedError'
}

/** Thrown when a listing took longer than it may. */
export class ListingOverdueError extends CloudDcError {
  override readonly name = 'ListingOverdueError'
  readonly retryable = true
}

export interface ProjectListing {
  /** The instances of the project that were to be kept, each once. */
  instances: readonly UpstreamInstance[]
  /** How many the project has in all. */
  listed: number
  /** performance.now() when the first call began: what was created later may be missing. */
  beganAt: number
  /** Calls made, each paid for. */
  calls: number
  /** Calls per second that flow into the project's bucket. */
  refillPerSecond: number
}

export interface ProjectListingOptions {
  database: Database
  client: Pick<CloudDcClient, 'listAllInstances' | 'listInstances'>
  projectId: string
  /** Which instances to keep. */
  keep: (instance: UpstreamInstance) => boolean
  /** No call is begun later than so many milliseconds after the start. */
  limitMs: number
  /** Servers that are asked for by id as well, given when the listing began. */
  serverIds: (beganAt: number) => readonly string[]
  /** Shared by all listings of the process. */
  lateness: Lateness
  credentials: PayingCredentials
  signal: AbortSignal
  onToken: () => void
}

/**
 * Lists a project completely, or throws. Each page waits for a token of the project's call budget, as long as the
 * listing may take; a closed bucket is not waited for. A token that came too late is paid back.
 */
export async function listProject(options: ProjectListingOptions): Promise<ProjectListing> {
  const { database, client, projectId, keep, limitMs, serverIds, lateness, credentials, signal, onToken } =
    options
  const listingAge = startAge()
  let beganAt: number | undefined
  let paid: ReadingPayment | undefined
  let calls = 0
  let refillPerSecond = Number.POSITIVE_INFINITY

  const beforeWrite = () => {
    if (paid === undefined) return
    credentials.check({ ...paid, projectId })
    lateness.check(paid)
  }
  /** The call that was paid for last has ended, with an error or with none. */
  const ended = (error: unknown) => {
    if (paid !== undefined) credentials.tell(paid, newsOfReading(error))
    paid = undefined
  }

  const pay = async (): Promise<void> => {
    ended(null)
    for (;;) {
      signal.throwIfAborted()
      if (listingAge() > limitMs) {
        const message = `the listing was not complete after ${calls} pages and ${limitMs} ms`
        throw new ListingOverdueError(message, { code: 'LISTING_OVERDUE' })
      }
      const lateMs = lateness.usualMs()
      const payment = await payForReading(database, { projectId, purpose: 'listing', share: 0, lateMs })
      if (payment === null) break
      refillPerSecond = payment.refillPerSecond
      if (payment.granted) {
        onToken()
        paid = payment
        try {
          // A listing that is called off at a later page begins anew.
          beforeWrite()
          break
        } catch (error) {
          if (!(error instanceof LateCallError || error instanceof OtherCredentialError)) throw error
          ended(new CloudDcNotSentError(error.message))
          await applyCallResults(database, [effectOfNoCall({ projectId, payment: payment.payment })])
          continue
        }
      }
      if (payment.closed && payment.waitMs > MAX_CLOSED_WAIT_MS) throw new BucketClosedError()
      await sleep(Math.min(MAX_WAIT_MS, Math.max(MIN_WAIT_MS, payment.waitMs)), undefined, { signal })
    }
    calls += 1
    beganAt ??= performance.now()
  }

  const instances = new Map<string, UpstreamInstance>()
  const keepAll = (found: readonly UpstreamInstance[]) => {
    for (const instance of found) instances.set(instance.id, instance)
  }
  try {
    const listing = await client.listAllInstances({ projectId, keep, beforeCall: pay, beforeWrite })
    keepAll(listing.instances)
    const listingBeganAt = beganAt ?? performance.now()
    const servers = serverIds(listingBeganAt)
    for (let from = 0; from < servers.length; from += SERVERS_PER_CALL) {
      await pay()
      const page = await client.listInstances({
        projectId,
        serverIds: servers.slice(from, from + SERVERS_PER_CALL),
        beforeWrite,
      })
      keepAll(page.instances.filter(keep))
    }
    ended(null)
    return {
      instances: [...instances.values()],
      listed: listing.size,
      beganAt: listingBeganAt,
      calls,
      refillPerSecond,
    }
  } catch (error) {
    ended(error)
    throw error
  }
}
