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

export const WAITING_REASONS = ['rate_limit', 'retry', ...BLOCKED_REASONS, 'reconciling'] as const

export type WaitingReason = (typeof WAITING_REASONS)[number]

export interface Waiting {
  reason: WaitingReason
  /** When the request is looked at again at the earliest; never before now. */
  until: Date
}

export interface WaitingFacts {
  state: RequestState
  /** When a request that was put back becomes eligible again. */
  retryAt: Date | null
  /** The next look for the instances of an attempt without an outcome. */
  reconcileAt: Date | null
  /** The project's token bucket, null while it has none. */
  bucket: { blockedUntil: Date | null; blockedReason: string | null; dueAt: Date | null } | null
  now: Date
}

/**
 * What a request waits for, and until when; null when it waits for nothing but an answer. A bucket that is closed comes
 * before the request's own turn, until a call has got through; a time that has passed reads as now.
 */
export function waitingFor({ state, retryAt, reconcileAt, bucket, now }: WaitingFacts): Waiting | null {
  const from = (time: Date | null | undefined) => (time && time > now ? time : now)
  if (state === 'uncertain') return { reason: 'reconciling', until: from(reconcileAt) }
  if (state !== 'queued') return null
  const closed = BLOCKED_REASONS.find((reason) => reason === bucket?.blockedReason)
  if (closed !== undefined) {
    const until = from(bucket?.blockedUntil)
    return { reason: closed, until: retryAt !== null && retryAt > until ? retryAt : until }
  }
  if (retryAt !== null) return { reason: 'retry', until: from(retryAt) }
  return { reason: 'rate_limit', until: from(bucket?.dueAt) }
}
