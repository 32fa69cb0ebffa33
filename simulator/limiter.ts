import type { Settings } from './options.ts'
import { creates, type Operation } from './routes.ts'

/**
 * The call limits, as the gateway in front of the API would hold them: of each project a token bucket or a fixed
 * window, of each user (of all projects together) a token bucket. It has no knowledge of how callers pace themselves.
 * A refused call takes nothing of either.
 */
export type Limiter = {
  /** Whether the call is within the limits at `now` (the clock's ms); if not, how long until one would be. */
  admit(project: string, operation: Operation, now: number, user?: string): Admission
  reset(): void
}
/** `of`: whose limit the call is over; both: the user's. */
export type Admission = { within: true } | { within: false; of: 'project' | 'user'; retryAfterMs: number }

type Bucket = { tokens: number; refilledAt: number }
type Window = { index: number; used: number }

/** What a limit says before anything is taken: how long until there is room, and how to take it. */
type Room = { waitMs: number; take(): void }
const unlimited: Room = { waitMs: 0, take: () => undefined }

export const burstOf = (settings: Settings) => settings.limiterBurst ?? Math.max(1, settings.limiterRate)

export const windowLimitOf = (settings: Settings) =>
  settings.limiterLimit ?? Math.max(1, Math.floor((settings.limiterRate * settings.limiterWindowMs) / 1000))

export function createLimiter({ settings }: { settings: Settings }): Limiter {
  const buckets = new Map<string, Bucket>()
  const userBuckets = new Map<string, Bucket>()
  const windows = new Map<string, Window>()

  const windowRoom = (project: string, now: number): Room => {
    const index = Math.floor(now / settings.limiterWindowMs)
    let window = windows.get(project)
    if (window?.index !== index) {
      window = { index, used: 0 }
      windows.set(project, window)
    }
    const { used } = window
    const full = used >= windowLimitOf(settings)
    return {
      waitMs: full ? (index + 1) * settings.limiterWindowMs - now : 0,
      take: () => windows.set(project, { index, used: used + 1 }),
    }
  }

  const projectRoom = (project: string, now: number): Room => {
    if (settings.limiterKind === 'none') return unlimited
    if (settings.limiterKind === 'fixed_window') return windowRoom(project, now)
    return bucketRoom(buckets, project, { rate: settings.limiterRate, burst: burstOf(settings), now })
  }

  const userRoom = (user: string, now: number): Room => {
    const { userLimiterRate: rate, userLimiterBurst } = settings
    if (rate === undefined || user === '') return unlimited
    return bucketRoom(userBuckets, user, { rate, burst: userLimiterBurst ?? Math.max(1, rate), now })
  }

  return {
    admit: (project, operation, now, user = '') => {
      if (project === '' || (settings.limitScope === 'create' && !creates(operation))) return { within: true }
      const ofProject = projectRoom(project, now)
      const ofUser = userRoom(user, now)
      const retryAfterMs = Math.max(ofProject.waitMs, ofUser.waitMs)
      if (retryAfterMs > 0) {
        return { within: false, of: ofUser.waitMs > 0 ? 'user' : 'project', retryAfterMs }
      }
      ofProject.take()
      ofUser.take()
      return { within: true }
    },
    reset: () => {
      for (const map of [buckets, userBuckets, windows]) map.clear()
    },
  }
}

function bucketRoom(
  buckets: Map<string, Bucket>,
  key: string,
  { rate, burst, now }: { rate: number; burst: number; now: number },
): Room {
  const bucket = buckets.get(key) ?? { tokens: burst, refilledAt: now }
  buckets.set(key, bucket)
  bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.refilledAt) * rate) / 1000)
  bucket.refilledAt = now
  return {
    waitMs: bucket.tokens < 1 ? ((1 - bucket.tokens) * 1000) / rate : 0,
    take: () => {
      bucket.tokens -= 1
    },
  }
}

/** The limit in the gateway's words, e.g. `limit:200,time:1 second`. */
export function describeLimit(settings: Settings, of: 'project' | 'user' = 'project'): string {
  if (of === 'user') return `limit:${settings.userLimiterRate},time:1 second`
  const windowed = settings.limiterKind === 'fixed_window'
  const limit = windowed ? windowLimitOf(settings) : settings.limiterRate
  const seconds = windowed ? settings.limiterWindowMs / 1000 : 1
  const time = seconds >= 60 && seconds % 60 === 0 ? `${seconds / 60} minute` : `${seconds} second`
  return `limit:${limit},time:${time}`
}
