import type { RequestState } from './provision-request.ts'

export const WAITING_REASONS = [
  'rate_limit',
  'retry',
  'throttled',
  'upstream_unavailable',
  'reconciling',
] as const

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
 * What a request waits for, and until when; null when it waits for nothing but an answer. A bucket that CloudDC
 * closed comes before the request's own turn, and a time that has passed reads as now.
 */
export function waitingFor({ state, retryAt, reconcileAt, bucket, now }: WaitingFacts): Waiting | null {
  const from = (time: Date | null | undefined) => (time && time > now ? time : now)
  if (state === 'uncertain') return { reason: 'reconciling', until: from(reconcileAt) }
  if (state !== 'queued') return null
  if (retryAt !== null) return { reason: 'retry', until: from(retryAt) }
  if (bucket?.blockedUntil && bucket.blockedUntil > now) {
    const reason = bucket.blockedReason === 'throttled' ? 'throttled' : 'upstream_unavailable'
    return { reason, until: bucket.blockedUntil }
  }
  return { reason: 'rate_limit', until: from(bucket?.dueAt) }
}
