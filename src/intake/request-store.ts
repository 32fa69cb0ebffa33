import { bucketLimit, type CallLimit } from '../budget/token-bucket.ts'
import { wakeProjects } from '../budget/wake-projects.sql.ts'
import type { Database } from '../database/database.ts'
import { wantReadings } from '../preflight/wanted-readings.sql.ts'
import { countOpen } from './count-open.sql.ts'
import { findTaken } from './find-taken.sql.ts'
import { insertRejections, type RejectedMessage } from './insert-rejections.sql.ts'
import { type InsertRequestRow, insertRequests } from './insert-requests.sql.ts'
import type { NewRequest } from './new-request.ts'

export type InsertOutcome =
  | { kind: 'inserted' }
  | { kind: 'existing'; contentDigest: Buffer; passwordDigest: string | null; sealedPassword: Buffer | null }

export interface RequestStore {
  /**
   * Stores a batch in one statement, committed when it resolves, and makes its projects due; outcomes in the order of
   * the rows. The keys within one batch must be distinct.
   */
  insertRequests(rows: readonly NewRequest[]): Promise<InsertOutcome[]>
  /** Open requests of each project, counted up to `most`. */
  countOpen(projectIds: readonly string[], most: number): Promise<Map<string, number>>
  /** Those of the rows whose key is taken, by a request or a retired key. */
  findTaken(rows: readonly NewRequest[]): Promise<NewRequest[]>
  /** Stores rejected messages in the index of dead letters, and what their events are made from, in one statement. */
  insertRejections(rejected: readonly RejectedMessage[]): Promise<void>
}

export interface RequestStoreOptions {
  database: Database
  limitOf: (projectId: string) => CallLimit
  /** The id of the credential that a project's calls are made with. */
  credentialOf?: (projectId: string) => string
  /** Requests were stored that are held back until their servers have been looked at. */
  onHeld?: () => void
}

export function createRequestStore({
  database,
  limitOf,
  credentialOf,
  onHeld = () => undefined,
}: RequestStoreOptions): RequestStore {
  return {
    countOpen: (projectIds, most) => countOpen(database, projectIds, most),
    findTaken: async (rows) => {
      const taken = new Set((await findTaken(database, rows)).map(({ id }) => id))
      return rows.filter(({ id }) => taken.has(id))
    },
    insertRejections: (rejected) => insertRejections(database, rejected),
    insertRequests: async (rows) => {
      const sorted = rows.toSorted(byKey)
      const projects = [...new Set(sorted.map((row) => row.projectId))]
      const buckets = projects.map((projectId) => ({
        projectId,
        credentialId: credentialOf?.(projectId) ?? null,
        ...bucketLimit(limitOf(projectId)),
      }))
      const taken = await insertRequests(database, sorted.map(toRow), buckets)
      // Also when all were there: an earlier try may have stored them, and lost its answer before it looked.
      await wakeProjects(database, projects)
      const held = new Set(sorted.flatMap((row) => (row.held ? [row.projectId] : [])))
      await wantReadings(database, [...held])
      if (held.size > 0) onHeld()
      if (taken.length === 0) return rows.map(() => ({ kind: 'inserted' }))

      const existing = new Map(taken.map((row) => [row.id, row]))
      const unseen = sorted.filter(
        (row) => existing.has(row.id) && existing.get(row.id)?.contentDigest === null,
      )
      for (const row of await findTaken(database, unseen)) existing.set(row.id, row)
      return rows.map((row) => {
        const other = existing.get(row.id)
        if (other === undefined) return { kind: 'inserted' }
        if (other.contentDigest === null) {
          throw new Error('a request with the same key was removed while this one came in; try again')
        }
        return {
          kind: 'existing',
          contentDigest: Buffer.from(other.contentDigest, 'base64'),
          passwordDigest: other.passwordDigest,
          sealedPassword: other.sealedPassword === null ? null : Buffer.from(other.sealedPassword, 'base64'),
        }
      })
    },
  }
}

/** One order for all batches: concurrent inserts of the same keys then wait for each other, never in a circle. */
function byKey(a: NewRequest, b: NewRequest): number {
  if (a.projectId !== b.projectId) return a.projectId < b.projectId ? -1 : 1
  return a.requestId < b.requestId ? -1 : 1
}

function toRow(request: NewRequest): InsertRequestRow {
  return {
    ...request,
    contentDigest: request.contentDigest.toString('base64'),
    sealedPassword: request.sealedPassword.toString('base64'),
  }
}
