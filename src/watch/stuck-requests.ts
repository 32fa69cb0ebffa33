import type { ThroughPrisma } from '../database/database.ts'
import { type OpenPage, type OpenRequest, readOpenRequests } from './open-requests.sql.ts'
import { type PolledInstances, readPolledInstances } from './polled-instances.sql.ts'
import { restoreClaims } from './restore-claims.sql.ts'
import { restoreDoubts } from './restore-doubts.sql.ts'

export interface StuckRequestsOptions {
  database: ThroughPrisma
  /** Requests per page. */
  pageSize: number
  /** Milliseconds since a request's last change, below which its next step may just be imminent. */
  unchangedMs: number
  /** Restores the polls of pending instances of these requests. */
  restorePolls: (requestIds: readonly string[]) => Promise<unknown>
}

/** A look for requests that no step is due to look at, page by page. */
export interface StuckRequests {
  /** The stuck requests of the next page, and whether it was the last one of a round. */
  next(): Promise<{ stuck: OpenRequest[]; roundOver: boolean }>
  /** Restores the rows by which their steps find them. A queued one is found by the sweeps for lost wake-ups. */
  repair(stuck: readonly OpenRequest[]): Promise<void>
}

const HIGHEST_SEED = 2 ** 31

export function createStuckRequests({
  database,
  pageSize,
  unchangedMs,
  restorePolls,
}: StuckRequestsOptions): StuckRequests {
  let page: OpenPage | null = null
  let seed = 0
  /** Read once in a round, as soon as one of its pages needs it. */
  let polled: PolledInstances | null = null

  const unpolled = async ({ provisioning }: OpenPage): Promise<OpenRequest[]> => {
    if (provisioning.length === 0) return []
    polled ??= await readPolledInstances(database, seed)
    return findUnpolled(provisioning, polled, unchangedMs)
  }

  return {
    next: async () => {
      if (page === null) {
        seed = Math.floor(Math.random() * HIGHEST_SEED)
        polled = null
      }
      const read = await readOpenRequests(database, { after: page, limit: pageSize, unchangedMs, seed })
      const stuck = read === null ? [] : [...read.idle, ...(await unpolled(read))]
      const roundOver = read === null || read.size < pageSize
      page = roundOver ? null : read
      return { stuck, roundOver }
    },
    repair: async (stuck) => {
      const idsOf = (state: OpenRequest['state']) =>
        stuck.flatMap((request) => (request.state === state ? [request.id] : []))
      const repairs = [
        { ids: idsOf('dispatching'), restore: (ids: string[]) => restoreClaims(database, ids) },
        { ids: idsOf('uncertain'), restore: (ids: string[]) => restoreDoubts(database, ids) },
        { ids: idsOf('provisioning'), restore: restorePolls },
      ]
      for (const { ids, restore } of repairs) if (ids.length > 0) await restore(ids)
    },
  }
}

/**
 * Those of which fewer instances are polled than have not ended, or none. An instance that has ended may be among the
 * polled until its next poll: a loss that it hides shows then. Left out is what has changed after the polls were read, or
 * shortly before.
 */
function findUnpolled<Request extends { updatedAtMs: number; pending: number; hashes: number[] }>(
  provisioning: readonly Request[],
  polled: PolledInstances,
  unchangedMs: number,
): Request[] {
  return provisioning.filter(({ updatedAtMs, pending, hashes }) => {
    if (updatedAtMs > polled.atMs - unchangedMs) return false
    return hashes.filter((hash) => polled.hashes.has(hash)).length < Math.max(1, pending)
  })
}
