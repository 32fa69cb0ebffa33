/** The gateway locks a key for five minutes; what it counts may end a little later than we think. */
export const LOCK_MS = 5 * 60_000 + 15_000

/** The keys that the gateway has locked, as far as its answers tell. A key that is shown instead is not locked. */
export function createLocks(now: () => number = () => performance.now()) {
  const until = new Map<string, number>()
  const isLocked = (shown: string) => now() < (until.get(shown) ?? Number.NEGATIVE_INFINITY)
  return {
    /** False when it was known already. */
    lock: (shown: string): boolean => {
      if (isLocked(shown)) return false
      for (const key of until.keys()) if (!isLocked(key)) until.delete(key)
      until.set(shown, now() + LOCK_MS)
      return true
    },
    isLocked,
  }
}

/** What headers show of a credential: its access key, or its token. */
export function shownIn(headers: Readonly<Record<string, string>>): string {
  return /Access=([^,]+),/.exec(headers.Authorization ?? '')?.[1] ?? headers['X-Auth-Token'] ?? ''
}
