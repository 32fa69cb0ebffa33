import { randomBytes } from 'node:crypto'
import { isoTime } from './clock.ts'
import type { Settings } from './options.ts'
import {
  canonicalRequest,
  headerOf,
  readClaim,
  readSdkDate,
  sdkDate,
  signatureOf,
  type WireCall,
} from './signature.ts'

/** An access key with its secret. One that was issued has a security token and an end. */
export type Key = {
  accessKey: string
  secretKey: string
  securityToken: string | null
  /** Whom calls with this key count for. */
  user: string
  /** null: good until withdrawn. */
  expiresAt: number | null
}

/** How a key fares; times are ISO 8601 UTC. Holds no secret. */
export type KeyState = {
  access_key: string
  user: string
  expires_at: string | null
  withdrawn: boolean
  /** Refused in a row, up to the lock. */
  failures: number
  locked_until: string | null
  /** Since the start: calls taken, calls refused, and how often the key was locked. */
  accepted: number
  refused: number
  locks: number
}

export type KeyRing = {
  /** Whose call it is, or why its signature is refused, in the gateway's words. Counts for the lock. */
  verify(call: WireCall, now: number): { user: string } | { refused: string }
  /** The user of a key, checked or not; '' for a key that is not known. */
  userOf(accessKey: string): string
  issue(key: { user: string; lifeMs: number }, now: number): Key
  withdraw(accessKey: string): void
  restore(accessKey: string): void
  /** As after five refused calls in a row. */
  lock(accessKey: string, now: number): void
  list(now: number): KeyState[]
  /** Secret keys and security tokens of all that were issued, also those that are over. */
  secrets(): string[]
  clear(): void
}

/** How far the signature's time may be from the gateway's. */
const windowMs = 15 * 60_000
const failuresToLock = 5

type Tally = Pick<KeyState, 'withdrawn' | 'failures' | 'accepted' | 'refused' | 'locks'> & {
  lockedUntil: number
}

export function createKeyRing({ settings }: { settings: Settings }): KeyRing {
  const issued = new Map<string, Key>()
  const records = new Map<string, Tally>()

  const configured = (): Key[] =>
    settings.aksk.map((text) => {
      const [accessKey = '', secretKey = '', securityToken = null] = text.split(':')
      return { accessKey, secretKey, securityToken, user: accessKey, expiresAt: null }
    })
  const find = (accessKey: string) =>
    issued.get(accessKey) ?? configured().find((key) => key.accessKey === accessKey)
  const recordOf = (accessKey: string): Tally => {
    const record = records.get(accessKey) ?? {
      withdrawn: false,
      failures: 0,
      lockedUntil: 0,
      accepted: 0,
      refused: 0,
      locks: 0,
    }
    records.set(accessKey, record)
    return record
  }
  const known = (accessKey: string) => {
    if (!find(accessKey)) throw new Error(`access key ${accessKey} is not known`)
    return recordOf(accessKey)
  }
  const lock = (record: Tally, now: number) => {
    record.failures = 0
    record.locks += 1
    record.lockedUntil = now + settings.akLockMs
  }

  return {
    verify: (call, now) => {
      const claim = readClaim(call.headers)
      if (!claim) return { refused: 'verify aksk signature fail' }
      const key = find(claim.accessKey)
      if (!key) return { refused: `ak ${claim.accessKey} not exist` }
      const record = recordOf(key.accessKey)
      if (now < record.lockedUntil) {
        record.refused += 1
        return { refused: 'AK access failed to reach the limit,forbidden' }
      }
      const refused = record.withdrawn
        ? `Get secretKey failed,ak:${key.accessKey},err:ak not exist`
        : faultOf(call, claim, key, {
            now,
            aheadMs: settings.clockAheadMs,
            quote: settings.quoteCanonical,
          })
      if (refused === null) {
        record.accepted += 1
        record.failures = 0
        return { user: key.user }
      }
      record.refused += 1
      record.failures += 1
      if (record.failures >= failuresToLock) lock(record, now)
      return { refused }
    },
    userOf: (accessKey) => find(accessKey)?.user ?? '',
    issue: ({ user, lifeMs }, now) => {
      const key = {
        accessKey: `HST${randomBytes(9).toString('hex').toUpperCase()}`.slice(0, 20),
        secretKey: randomBytes(30).toString('base64url'),
        securityToken: randomBytes(1500).toString('base64'),
        user,
        expiresAt: now + lifeMs,
      }
      issued.set(key.accessKey, key)
      return key
    },
    withdraw: (accessKey) => {
      known(accessKey).withdrawn = true
    },
    restore: (accessKey) => {
      Object.assign(known(accessKey), { withdrawn: false, failures: 0, lockedUntil: 0 })
    },
    lock: (accessKey, now) => lock(known(accessKey), now),
    list: (now) =>
      [...configured(), ...issued.values()].map(({ accessKey, user, expiresAt }) => {
        const { lockedUntil, ...record } = recordOf(accessKey)
        return {
          access_key: accessKey,
          user,
          expires_at: expiresAt === null ? null : isoTime(expiresAt),
          ...record,
          locked_until: now < lockedUntil ? isoTime(lockedUntil) : null,
        }
      }),
    secrets: () => [...issued.values()].flatMap((key) => [key.secretKey, key.securityToken ?? key.secretKey]),
    clear: () => {
      issued.clear()
      records.clear()
    },
  }
}

/** Headers that must be signed, those after the first two where the call has them. */
const toBeSigned = ['x-sdk-date', 'host', 'x-project-id', 'x-security-token']

/** Why the gateway refuses the call, or null. */
function faultOf(
  call: WireCall,
  { signedHeaders, signature }: { signedHeaders: readonly string[]; signature: string },
  { secretKey, securityToken, expiresAt }: Key,
  { now, aheadMs, quote }: { now: number; aheadMs: number; quote: boolean },
): string | null {
  const date = headerOf(call.headers, 'x-sdk-date')
  const at = readSdkDate(date)
  if (at !== null && Math.abs(now + aheadMs - at) > windowMs) {
    const words = 'calc aksk signature fail:signature expired'
    return `${words}, signature time:${date},server time:${sdkDate(now + aheadMs)}`
  }
  const canonical = canonicalRequest(call, signedHeaders)
  const unsigned = toBeSigned.some((name) => name in call.headers && !signedHeaders.includes(name))
  if (at === null || unsigned || signatureOf(canonical, date, secretKey) !== signature) {
    const words = 'verify aksk signature fail'
    return quote ? `${words}, canonical request: ${canonical.replaceAll('\n', '|')}` : words
  }
  if (headerOf(call.headers, 'x-security-token') !== (securityToken ?? '')) return 'decrypt token fail'
  if (expiresAt !== null && now >= expiresAt) return `token expires, expires_at: ${isoTime(expiresAt)}`
  return null
}
