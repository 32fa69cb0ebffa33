import type { CallLimit } from '../budget/token-bucket.ts'
import type { History } from '../contracts/history.ts'
import type { InstanceReply, RequestStatus } from '../contracts/status.ts'
import type { Summary } from '../contracts/summary.ts'
import type { Sql, ThroughPrisma } from '../database/database.ts'
import type { RequestState } from '../request/provision-request.ts'
import type { RequestKey } from '../request/request-key.ts'
import { createBatcher } from '../runtime/batcher.ts'
import { NoSlotError } from '../runtime/slots.ts'
import { entityTag } from './etag.ts'
import { createGuardedReads } from './guarded-reads.ts'
import { historyOf } from './history-reply.ts'
import { readHistory } from './read-history.sql.ts'
import { type PageQuery, readPage } from './read-page.sql.ts'
import { instanceStatus, requestStatus, summaryOf } from './read-replies.ts'
import { type RequestRow, readRequestOfInstance, readRequests, readStates } from './read-requests.sql.ts'
import { readSummary } from './read-summary.sql.ts'

export interface ReadsOptions {
  database: Sql & ThroughPrisma
  /** The configured call limit of a project. */
  limitOf: (projectId: string) => CallLimit
  /** Reads of this replica at once; each holds a connection of the pool. Default 4. */
  slots?: number
}

/** A status with the row's id, which serves to read the state again. */
export interface StatusRead {
  id: string
  status: RequestStatus
  /** Its entity tag. */
  tag: string
}

/** What the API reads. Each answer is one snapshot of the database. Null means: no such request or instance. */
export interface Reads {
  status(key: RequestKey): Promise<StatusRead | null>
  /** `lastId`: where the next page begins; null after the last one. */
  list(query: PageQuery): Promise<{ requests: RequestStatus[]; lastId: string | null; tag: string }>
  history(key: RequestKey): Promise<History | null>
  instance(key: { projectId: string; instanceId: string }): Promise<InstanceReply | null>
  /** Its oldest request is read apart, a moment later. */
  summary(projectId: string): Promise<Summary>
  /** The present states of those ids that exist. */
  states(ids: readonly string[]): Promise<Map<string, RequestState>>
}

/** Changes shown of a history: more come only from a request that was throttled for days. */
const MAX_HISTORY = 5000
/** Parts read of it, of 8 kB and a little more: some megabytes, and more than so many changes need. */
const MAX_HISTORY_PARTS = 300

/** Reads waiting for a slot: a few seconds' worth, and more than there are held replies, which may all end at once. */
const MAX_WAITING_READS = 2000
/** Status reads of one statement, and such statements at once: one that comes alone goes alone, at once. */
const STATUSES_PER_READ = 50
const STATUS_READS_AT_ONCE = 2

export function createReads({ database, limitOf, slots = 4 }: ReadsOptions): Reads {
  const guarded = createGuardedReads({ slots, maxWaiting: MAX_WAITING_READS })

  const statusReads = createBatcher<RequestKey, RequestRow | null>({
    flush: (keys) => guarded(() => readRequests(database, keys)),
    maxSize: STATUSES_PER_READ,
    concurrency: STATUS_READS_AT_ONCE,
  })

  return {
    status: async (key) => {
      if (statusReads.size() >= MAX_WAITING_READS) throw new NoSlotError('too many status reads wait')
      const row = await statusReads.add(key)
      if (row === null) return null
      const status = requestStatus(row)
      return { id: row.id, status, tag: entityTag([status], row.now) }
    },

    list: (query) =>
      guarded(async () => {
        const { limit } = query
        const rows = await readPage(database, { ...query, limit: limit + 1 })
        const page = rows.slice(0, limit)
        const lastId = rows.length > limit ? (page.at(-1)?.id ?? null) : null
        const requests = page.map(requestStatus)
        return { requests, lastId, tag: entityTag(requests, page[0]?.now ?? new Date(0), lastId) }
      }),

    history: (key) =>
      guarded(async () => {
        const stored = await readHistory(database, { ...key, maxParts: MAX_HISTORY_PARTS })
        if (stored === null) return null
        const shown = historyOf(stored, MAX_HISTORY)
        return { project_id: key.projectId, request_id: key.requestId, ...shown }
      }),

    instance: (key) =>
      guarded(async () => {
        const row = await readRequestOfInstance(database, key)
        const instance = row?.instances.find(({ id }) => id === key.instanceId)
        if (!row || !instance) return null
        return {
          ...instanceStatus(instance),
          project_id: row.projectId,
          request_id: row.requestId,
          upstream_state: instance.upstreamState,
          request: requestStatus(row),
        }
      }),

    summary: (projectId) =>
      guarded(async () => {
        const row = await readSummary(database, projectId)
        const keys = row.oldestWaiting === null ? [] : [{ projectId, requestId: row.oldestWaiting }]
        const [oldest] = keys.length === 0 ? [] : await readRequests(database, keys)
        return summaryOf(projectId, row, oldest ?? null, limitOf(projectId))
      }),

    states: (ids) => guarded(() => readStates(database, ids)),
  }
}
