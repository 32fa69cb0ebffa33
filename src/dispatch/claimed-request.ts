export interface ClaimedRequest {
  id: string
  projectId: string
  requestId: string
  /** 1, 2, ... over all attempts of the request. */
  attempt: number
  /** Attempts that may have reached CloudDC, this one included. */
  attempts: number
  /** After the claim. */
  version: number
  historyBytes: number
  spec: Record<string, unknown>
  sealedPassword: Uint8Array
  minCount: number
  maxCount: number
  /** Too few ready servers let it wait, instead of ending it. */
  waitsForReady: boolean
  /** Milliseconds from the claim to the deadline, null without one. */
  deadlineInMs: number | null
  /** How long after the claim, or of a tight bucket after `tokenAt`, its call may be made, in milliseconds (budget/pay.sql.ts). */
  roomMs: number
  /** Of a tight bucket, else null: when the token is there, in milliseconds of clockMs. */
  tokenAt: number | null
  /** Consecutive troubles of the project before this claim. */
  troubles: number
  /** The claim is the probe of a project that had trouble. */
  probing: boolean
  /** The credential that has paid: the call may be made with this one only. */
  credentialId: string
  /** Of a credential that may hold calls back, else null: whether the claim is its probe. */
  credentialProbing: boolean | null
}

export interface ClaimResult {
  requests: ClaimedRequest[]
  /** The database's clock at the claim, in milliseconds since 1970, to the microsecond. */
  clockMs: number
  /** Milliseconds until some project's turn comes; null when no project has work. */
  waitMs: number | null
  /** Milliseconds until a pause, or a limit that a person has set, ends by itself; null where none does. */
  changesInMs: number | null
  /** Projects in whose queue this claim saw nothing more. */
  asleep: string[]
  /** Work waits for a reading of its project's servers, or is about to. */
  wantsReading: boolean
}
