import type { RequestState } from './provision-request.ts'

/**
 * Why a project's bucket is closed: its calls come too fast, nobody answers them, or CloudDC refuses us (the
 * credential, the permission, the address).
 */
export const BLOCKED_REASONS = [
  'throttled',
  'upstream_unavailable',
  'unauthorized',
  'forbidden',
  'misconfigured',
] as const

export type BlockedReason = (typeof BLOCKED_REASONS)[number]

/** As a bucket's row names it; null where it names none that is known. */
export function blockedReasonOf(text: string | null | undefined): BlockedReason | null {
  return BLOCKED_REASONS.find((reason) => reason === text) ?? null
}

export const WAITING_REASONS = [
  'rate_limit',
  'retry',
  ...BLOCKED_REASONS,
  'capacity',
  'paused',
  'reconciling',
] as const

export type WaitingReason = (typeof WAITING_REASONS)[number]

/** Whose end follows from rules, as long as nothing else comes up; others end when somebody or something else lets them. */
export const ESTIMABLE_REASONS: ReadonlySet<WaitingReason> = new Set(['rate_limit', 'retry'])

export interface Waiting {
  reason: WaitingReason
  /** When the request is looked at again at the earliest, never before now; null: when a person ends the pause. */
  until: Date | null
  /** What of, where there is more to say. */
  detail: string | null
}

export interface WaitingFacts {
  state: RequestState
  /** When a request that was put back becomes eligible again. */
  retryAt: Date | null
  /** It is held back until its project's servers are read. */
  held: boolean
  /** Which servers the last reading has found missing. */
  heldFor: string | null
  /** The next look for the instances of an attempt without an outcome. */
  reconcileAt: Date | null
  /** The project's token bucket, null while it has none. */
  bucket: {
    blockedUntil: Date | null
    blockedReason: string | null
    dueAt: Date | null
    /** The next reading of the project's servers. */
    preflightAt: Date | null
  } | null
  /** Its project's pause, null without one; `until` null for one that does not end by itself. */
  pause: { until: Date | null; detail: string } | null
  now: Date
}

/**
 * What a request waits for, and until when; null when it waits for nothing but an answer. A pause comes before all else,
 * and a bucket that is closed before the request's own turn, until a call has got through; a time that has passed reads
 * as now.
 */
export function waitingFor(facts: WaitingFacts): Waiting | null {
  const { state, retryAt, held, heldFor, reconcileAt, bucket, pause, now } = facts
  const waits = (reason: WaitingReason, time: Date | null | undefined, detail: string | null = null) => ({
    reason,
    until: time && time > now ? time : now,
    detail,
  })
  if (state === 'uncertain') return waits('reconciling', reconcileAt)
  if (state !== 'queued') return null
  if (pause !== null) {
    const until = pause.until !== null && retryAt !== null && retryAt > pause.until ? retryAt : pause.until
    return { ...waits('paused', until, pause.detail), ...(until === null && { until }) }
  }
  const closed = blockedReasonOf(bucket?.blockedReason)
  if (closed !== null) {
    const waiting = waits(closed, bucket?.blockedUntil)
    return retryAt !== null && retryAt > waiting.until ? { ...waiting, until: retryAt } : waiting
  }
  if (retryAt !== null) return waits('retry', retryAt)
  // Before the first reading it is a call for that which is waited for.
  if (held) return waits(heldFor === null ? 'rate_limit' : 'capacity', bucket?.preflightAt, heldFor)
  return waits('rate_limit', bucket?.dueAt)
}
