import type { OpenAttempt } from './settlement.ts'

/** An attempt of unknown outcome, as a look for its instances needs it. */
export interface OpenDoubt extends OpenAttempt {
  from: 'uncertain'
  projectId: string
  requestId: string
  /** The fence of the claim that this look was made for: the look's due time as text. */
  claim: string
  /** Milliseconds from the outcome becoming unknown to the claim. */
  ageMs: number
  startedAt: Date
  uncertainAt: Date
  /** What the call's answer said, null where none came. */
  httpStatus: number | null
  errorCode: string | null
  /** Instances that its answer named although it could not be relied on. */
  named: readonly string[]
  /** What made it uncertain, and what earlier looks have found. */
  evidence: Record<string, unknown>
  /** Complete listings so far that did not show it. */
  listingsWithout: number
  /** Attempts of the request that may have reached CloudDC, this one included. */
  attempts: number
  spec: Record<string, unknown>
}
