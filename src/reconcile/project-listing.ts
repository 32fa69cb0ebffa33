import { createPaidReading, NotPaidError, type PaidReadingOptions } from '../budget/paid-reading.ts'
import type { CloudDcClient } from '../clouddc/client.ts'
import { CloudDcError } from '../clouddc/errors.ts'
import type { UpstreamInstance } from '../clouddc/wire.ts'
import { startAge } from '../runtime/age.ts'

/** ListInstances takes at most 100 server ids, according to CloudDC's API reference. */
const SERVERS_PER_CALL = 100

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

export interface ProjectListingOptions extends PaidReadingOptions {
  client: Pick<CloudDcClient, 'listAllInstances' | 'listInstances'>
  /** Which instances to keep. */
  keep: (instance: UpstreamInstance) => boolean
  /** No call is begun later than so many milliseconds after the start. */
  limitMs: number
  /** Servers that are asked for by id as well, given when the listing began. */
  serverIds: (beganAt: number) => readonly string[]
}

/**
 * Lists a project completely, or throws. Each page waits for a token of the project's call budget, as long as the
 * listing may take; of a closed bucket NotPaidError is thrown.
 */
export async function listProject(options: ProjectListingOptions): Promise<ProjectListing> {
  const { client, projectId, keep, limitMs, serverIds } = options
  const { pay, beforeWrite, ended } = createPaidReading(options)
  const listingAge = startAge()
  let beganAt: number | undefined
  let calls = 0
  let refillPerSecond = Number.POSITIVE_INFINITY

  const beforeCall = async () => {
    const payment = await pay(limitMs - listingAge()).catch((error: unknown) => {
      if (!(error instanceof NotPaidError) || error.closed) throw error
      const message = `the listing was not complete after ${calls} pages and ${limitMs} ms`
      throw new ListingOverdueError(message, { code: 'LISTING_OVERDUE' })
    })
    if (payment !== null) refillPerSecond = payment.refillPerSecond
    calls += 1
    beganAt ??= performance.now()
  }

  const instances = new Map<string, UpstreamInstance>()
  const keepAll = (found: readonly UpstreamInstance[]) => {
    for (const instance of found) instances.set(instance.id, instance)
  }
  try {
    const listing = await client.listAllInstances({ projectId, keep, beforeCall, beforeWrite })
    keepAll(listing.instances)
    const listingBeganAt = beganAt ?? performance.now()
    const servers = serverIds(listingBeganAt)
    for (let from = 0; from < servers.length; from += SERVERS_PER_CALL) {
      await beforeCall()
      const page = await client.listInstances({
        projectId,
        serverIds: servers.slice(from, from + SERVERS_PER_CALL),
        beforeWrite,
      })
      keepAll(page.instances.filter(keep))
    }
    await ended(null)
    return {
      instances: [...instances.values()],
      listed: listing.size,
      beganAt: listingBeganAt,
      calls,
      refillPerSecond,
    }
  } catch (error) {
    await ended(error)
    throw error
  }
}
