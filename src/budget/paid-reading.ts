import { setTimeout as sleep } from 'node:timers/promises'
import { CloudDcNotSentError } from '../clouddc/errors.ts'
import type { Database } from '../database/database.ts'
import { startAge } from '../runtime/age.ts'
import { coerceError } from '../runtime/errors.ts'
import { applyCallResults } from './apply-call-results.sql.ts'
import { effectOfNoCall } from './call-effect.ts'
import { newsOfReading } from './credential-effect.ts'
import { LateCallError, type Lateness } from './lateness.ts'
import { payForReading, type ReadingPayment } from './pay-for-reading.sql.ts'
import { OtherCredentialError, type PayingCredentials, RefusedCredentialError } from './paying-credentials.ts'

/** Between two tries for a token; a bucket may be opened before its time. */
const MIN_WAIT_MS = 20
const MAX_WAIT_MS = 500
/** The longest wait for a closed bucket, such as that of a credential whose first call is under way. */
const MAX_CLOSED_WAIT_MS = 2000

/** Thrown where there is no token to be had soon enough. */
export class NotPaidError extends Error {
  override readonly name = 'NotPaidError'
  /** The bucket is closed: no call of any kind is made. */
  readonly closed: boolean

  constructor(message: string, { closed }: { closed: boolean }) {
    super(message)
    this.closed = closed
  }
}

export interface PaidReadingOptions {
  database: Database
  projectId: string
  /** Shared by all calls of its kind in the process. */
  lateness: Lateness
  credentials: PayingCredentials
  signal: AbortSignal
  onToken: () => void
}

/** Reading calls of one project, one after the other, each paid for like a page of a listing: somebody waits for it. */
export interface PaidReading {
  /**
   * Waits for the next call's token; the call before has ended well. Throws NotPaidError where the bucket is closed, or
   * there is none within so many milliseconds.
   */
  pay(limitMs: number): Promise<ReadingPayment | null>
  /** For the client, in the instant before the call is written: throws when it must not be made any more. */
  beforeWrite(): void
  /** The call that was paid for last has failed with `error`, or with null it has not. One that was not made is paid back. */
  ended(error: unknown): Promise<void>
}

export function createPaidReading(options: PaidReadingOptions): PaidReading {
  const { database, projectId, lateness, credentials, signal, onToken } = options
  let paid: ReadingPayment | undefined

  const beforeWrite = () => {
    if (paid === undefined) return
    credentials.check({ ...paid, projectId })
    lateness.check(paid)
  }

  const ended = async (error: unknown) => {
    const payment = paid
    paid = undefined
    if (payment === undefined) return
    credentials.tell(payment, newsOfReading(error))
    if (error instanceof CloudDcNotSentError)
      await applyCallResults(database, [effectOfNoCall({ projectId, payment: payment.payment })])
  }

  /** Whether the call may still be made. What came too late is paid back: a listing called off at a later page begins anew. */
  const isInTime = async () => {
    try {
      beforeWrite()
      return true
    } catch (error) {
      await ended(new CloudDcNotSentError(coerceError(error).message))
      if (error instanceof RefusedCredentialError) throw new NotPaidError(error.message, { closed: true })
      if (error instanceof LateCallError || error instanceof OtherCredentialError) return false
      throw error
    }
  }

  const pay = async (limitMs: number) => {
    await ended(null)
    const age = startAge()
    for (;;) {
      signal.throwIfAborted()
      if (age() > limitMs) throw new NotPaidError(`no token within ${limitMs} ms`, { closed: false })
      const lateMs = lateness.usualMs()
      const payment = await payForReading(database, { projectId, purpose: 'listing', share: 0, lateMs })
      if (payment === null) return null
      if (payment.granted) {
        onToken()
        paid = payment
        if (await isInTime()) return payment
        continue
      }
      if (payment.closed && payment.waitMs > MAX_CLOSED_WAIT_MS)
        throw new NotPaidError('the project is closed', { closed: true })
      await sleep(Math.min(MAX_WAIT_MS, Math.max(MIN_WAIT_MS, payment.waitMs)), undefined, { signal })
    }
  }

  return { pay, beforeWrite, ended }
}
