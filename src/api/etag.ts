import type { RequestStatus } from '../contracts/status.ts'
import { weakTag } from '../runtime/weak-tag.ts'

/**
 * The weak entity tag of statuses as they were read at `now`: the same as long as they say the same. A version would not
 * do: names and servers of pending instances, and what a request waits for, change without one. That something is due
 * now reads as another time with each read, and counts as the same.
 */
export function entityTag(
  statuses: readonly RequestStatus[],
  now: Date,
  ...more: readonly unknown[]
): string {
  const said = statuses.map((status) => {
    const { waiting } = status
    return waiting !== null && waiting.until !== null && waiting.until <= now
      ? { ...status, waiting: { ...waiting, until: null } }
      : status
  })
  return weakTag(JSON.stringify([said, ...more]))
}

/** Whether the header If-None-Match names the tag; tags are compared weakly (RFC 9110, 13.1.2). */
export function namesTag(ifNoneMatch: string | undefined, tag: string): boolean {
  if (ifNoneMatch === undefined) return false
  if (ifNoneMatch.trim() === '*') return true
  const opaque = (text: string) => text.trim().replace(/^W\//, '')
  return ifNoneMatch.split(',').some((one) => opaque(one) === opaque(tag))
}
