import { type Event, type Rejection, requestRejected } from '../contracts/events.ts'
import type { SegmentRow } from './read-segments.sql.ts'

/** A change of a request that owes events. */
export interface ChangeRef {
  /** The request's row. */
  id: string
  /** The request's version after the change. */
  version: number
  /** Ids of the instances that ended with it. */
  instanceIds: readonly string[]
}

/** What one transaction owes to consumers, read. */
export interface Segment {
  position: number
  refs: readonly ChangeRef[]
  rejected: readonly Event[]
  /** How many events it holds, at most. */
  size: number
  /** When it was written, on the clock of performance.now(). */
  writtenAt: number
}

/** `readAt`: when the row was read, on the clock of performance.now(). */
export function readSegment(
  { position, refs, rejections, createdAt, ageMs }: SegmentRow,
  readAt: number,
): Segment {
  const changes = refs === null ? [] : parseRefs(refs)
  const rejected =
    rejections === null
      ? []
      : (JSON.parse(rejections) as Rejection[]).map((rejection) => requestRejected(rejection, createdAt))
  const size = changes.reduce((sum, { instanceIds }) => sum + instanceIds.length + 1, rejected.length)
  return { position, refs: changes, rejected, size, writtenAt: readAt - ageMs }
}

function parseRefs(refs: string): ChangeRef[] {
  const parsed = JSON.parse(`[${refs}]`) as [id: string, version: number, ...instanceIds: string[]][]
  return parsed.map(([id, version, ...instanceIds]) => ({ id, version, instanceIds }))
}
