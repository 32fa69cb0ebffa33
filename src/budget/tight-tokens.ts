import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Database } from '../database/database.ts'
import { createBatcher } from '../runtime/batcher.ts'
import { createQuiet, type Quiet } from '../runtime/quiet.ts'
import { createDatabaseClock } from './database-clock.ts'
import { noteWritten, type WrittenCall } from './note-written.sql.ts'

/** How long before a token's time the rest of the process is asked for quiet. */
const QUIET_AHEAD_MS = 25

/** The token of one call on a tight bucket (pay.sql.ts). */
export interface TightToken {
  /** Milliseconds since the token's time, at most; negative before it. */
  age: () => number
  /** Waits until the token is there. */
  due(): Promise<void>
  /** Tells the bucket, without waiting, that the call is written in this very turn. */
  written(): void
}

/** What a claim says of its token. */
export interface ClaimedToken {
  projectId: string
  credentialId: string
  /** When the token is there, in milliseconds of the database's clock; null where the bucket is not tight. */
  tokenAt: number | null
  /** UUID. The name of its payment. */
  payment: string
}

export interface TightTokens {
  /** A claim was answered; instants by performance.now(), the database's in its own milliseconds. */
  answered(claim: { sentAt: number; receivedAt: number; clockMs: number }): void
  /** Null where the bucket is not tight. `age` counts from the sending of the claim, at `claimedAt`. */
  tokenOf(token: ClaimedToken, claim: { age: () => number; claimedAt: number }): TightToken | null
  /** Resolves when the buckets know of every call. */
  drained(): Promise<void>
}

/**
 * The calls of buckets that leave no room for a late one: each waits for its token's time, prepared, and the bucket
 * fills again from the instant at which it is written. A note that does not arrive costs the reserve, and never the
 * limit.
 */
export function createTightTokens({
  database,
  quiet = createQuiet(),
  logger,
  onNoted,
}: {
  database: Database
  quiet: Quiet | undefined
  logger: Logger
  /** Buckets may be due earlier now. */
  onNoted: () => void
}): TightTokens {
  const clock = createDatabaseClock()
  const notes = createBatcher<WrittenCall, void>({
    maxSize: 200,
    concurrency: 2,
    gatherMs: 5,
    flush: async (calls) => {
      await noteWritten(database, calls)
      onNoted()
      return calls.map(() => undefined)
    },
  })

  return {
    answered: ({ clockMs, ...seen }) => clock.observe({ ...seen, databaseMs: clockMs }),
    tokenOf: ({ projectId, credentialId, tokenAt, payment }, { age, claimedAt }) => {
      if (tokenAt === null) return null
      const { earliest, latest } = clock.locate(tokenAt)
      const lateMs = () => age() - (earliest - claimedAt)
      let endQuiet: (() => void) | undefined
      return {
        age: lateMs,
        due: async () => {
          const dueMs = latest - claimedAt
          await reach(age, dueMs - QUIET_AHEAD_MS)
          endQuiet = quiet.ask()
          await reach(age, dueMs)
        },
        written: () => {
          // Microtasks run after the write, so whatever delayed that counts as well.
          queueMicrotask(() => {
            endQuiet?.()
            const note = { projectId, credentialId, payment, lateMs: Math.max(0, lateMs()) }
            notes.add(note).catch((error: unknown) => {
              logger.debug({ err: error, projectId }, 'a bucket does not know when its call was written')
            })
          })
        },
      }
    },
    drained: notes.drained,
  }
}

async function reach(age: () => number, ms: number): Promise<void> {
  for (let left = ms - age(); left > 0; left = ms - age()) await sleep(Math.ceil(left))
}
