import type { Settings } from './options.ts'
import { creates, type Operation } from './routes.ts'

/**
 * The call limit of each project, as the gateway in front of the API would hold it: a token bucket or a fixed
 * window. It has no knowledge of how callers pace themselves. A refused call takes no token.
 */
export type Limiter = {
  /** Whether the call is within the limit at `now` (the clock's ms); if not, how long until one would be. */
  admit(project: string, operation: Operation, now: number): Admission
  reset(): void
}
export type Admission = { within: true } | { within: false; retryAfterMs: number }

const within: Admission = { within: true }

type Bucket = { tokens: number; refilledAt: number }
type Window = { index: number; used: number }

export const burstOf = (settings: Settings) => settings.limiterBurst ?? Math.max(1, settings.limiterRate)

export const windowLimitOf = (settings: Settings) =>
  settings.limiterLimit ?? Math.max(1, Math.floor((settings.limiterRate * settings.limiterWindowMs) / 1000))

export function createLimiter({ settings }: { settings: Settings }): Limiter {
  const buckets = new Map<string, Bucket>()
  const windows = new Map<string, Window>()

  const fromBucket = (project: string, now: number): Admission => {
    const burst = burstOf(settings)
    const bucket = buckets.get(project) ?? { tokens: burst, refilledAt: now }
    buckets.set(project, bucket)
    const refill = ((now - bucket.refilledAt) * settings.limiterRate) / 1000
    bucket.tokens = Math.min(burst, bucket.tokens + refill)
    bucket.refilledAt = now
    if (bucket.tokens < 1) {
      return { within: false, retryAfterMs: ((1 - bucket.tokens) * 1000) / settings.limiterRate }
    }
    bucket.tokens -= 1
    return within
  }

  const fromWindow = (project: string, now: number): Admission => {
    const index = Math.floor(now / settings.limiterWindowMs)
    let window = windows.get(project)
    if (window?.index !== index) {
      window = { index, used: 0 }
      windows.set(project, window)
    }
    if (window.used >= windowLimitOf(settings)) {
      return { within: false, retryAfterMs: (index + 1) * settings.limiterWindowMs - now }
    }
    window.used += 1
    return within
  }

  return {
    admit: (project, operation, now) => {
      if (settings.limiterKind === 'none' || project === '') return within
      if (settings.limitScope === 'create' && !creates(operation)) return within
      return settings.limiterKind === 'token_bucket' ? fromBucket(project, now) : fromWindow(project, now)
    },
    reset: () => {
      buckets.clear()
      windows.clear()
    },
  }
}

/** The limit in the gateway's words, e.g. `limit:200,time:1 second`. */
export function describeLimit(settings: Settings): string {
  const windowed = settings.limiterKind === 'fixed_window'
  const limit = windowed ? windowLimitOf(settings) : settings.limiterRate
  const seconds = windowed ? settings.limiterWindowMs / 1000 : 1
  const time = seconds >= 60 && seconds % 60 === 0 ? `${seconds / 60} minute` : `${seconds} second`
  return `limit:${limit},time:${time}`
}
