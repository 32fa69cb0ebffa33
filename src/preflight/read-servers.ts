import { createPaidReading, type PaidReadingOptions } from '../budget/paid-reading.ts'
import type { CloudDcClient } from '../clouddc/client.ts'
import { CloudDcUnexpectedError } from '../clouddc/errors.ts'
import { startAge } from '../runtime/age.ts'
import { isReady, type SeenServer } from './decide.ts'

/** A listing of more servers than that is not read to its end. */
const MAX_PAGES = 20
/** A token was there at once where its payment was sent within so many milliseconds. */
const AT_ONCE_MS = 10

export interface ReadServersOptions extends PaidReadingOptions {
  client: Pick<CloudDcClient, 'countReadyServers' | 'listServers'>
  /** The longest wait for the token of one call, in milliseconds. */
  limitMs: number
}

/** Calls for the servers of a project, each paid for. */
export function createReadingCalls({ client, limitMs, ...options }: ReadServersOptions) {
  const { projectId } = options
  const { pay, beforeWrite, ended } = createPaidReading(options)

  const all = async (): Promise<Map<string, SeenServer>> => {
    const servers = new Map<string, SeenServer>()
    let marker: string | undefined
    for (let pages = 1; ; pages += 1) {
      if (pages > 1) await pay(limitMs)
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
    /** Returns whether the token had to be waited for. Throws NotPaidError. */
    pay: async (): Promise<boolean> => {
      const age = startAge()
      const payment = await pay(limitMs)
      return payment !== null && age() - payment.age() > AT_ONCE_MS
    },
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
