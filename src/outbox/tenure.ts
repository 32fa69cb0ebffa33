import type { Logger } from 'pino'
import type { Event } from '../contracts/events.ts'
import type { Database } from '../database/database.ts'
import { reached } from '../runtime/steps.ts'
import type { Turns } from '../runtime/turns.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { createInHand } from './in-hand.ts'
import { createOrderedLanes, type LaneStep } from './ordered-lanes.ts'
import { createReadCursor } from './read-cursor.ts'
import { readSegments } from './read-segments.sql.ts'
import { renderSegments } from './render-segments.ts'
import { type ChangeRef, readSegment, type Segment } from './segment.ts'

/** Segments of one read; the largest hold some hundred events. */
const READ_LIMIT = 200
/** Events whose rows are read at once. */
const RENDERED_AT_ONCE = 500

/** What a relay does from taking its duty to losing it. */
export interface Tenure {
  /**
   * Reads once, and hands out events while the window has room. `more`: there may be more to read; `full`: what was read
   * waits for room; `open`: some of what was handed out is not done yet, or is to be published again.
   */
  relay(): Promise<'more' | 'full' | 'open' | 'idle'>
  /** How many events the last call of `relay` handed out. */
  lastHandedOut(): number
  /** The segments at these positions are out of the outbox. */
  forget(positions: readonly number[]): void
  /** Takes nothing more, and resolves when what was handed out is published or given up: then it is read again. */
  end(): Promise<void>
}

export interface TenureOptions {
  database: Database
  /** Publishes one event; `postponed` where it is to be published again. */
  publish: (event: { event: Event; writtenAt: number }, done: (step: LaneStep) => void) => void
  /** All events of the segment at this position are out. */
  onPublished: (position: number) => void
  /** Half of the window is free again. */
  onRoom: () => void
  /** Most events handed out and not yet done; a segment is never torn, so it may be exceeded by one of them. */
  window: number
  turns: Turns
  metrics: Pick<Metrics, 'invariantViolations'>
  logger: Logger
}

/** A segment of which `left` events are not done yet. */
interface OpenSegment {
  position: number
  left: number
}

interface OpenEvent {
  event: Event
  writtenAt: number
  segment: OpenSegment
}

/**
 * Segments go through three stages, each in the order of their positions: read, rendered together with the next ones, and
 * handed out event by event to the lanes of their requests. What cannot be published is kept there until it can; so
 * nothing that is read later comes before it.
 */
export function createTenure(options: TenureOptions): Tenure {
  const { database, publish, onPublished, onRoom, window, turns, metrics, logger } = options
  const cursor = createReadCursor()
  const inHand = createInHand()
  /** Read, and not handed out yet. */
  let waiting: Segment[] = []
  let open = 0
  let full = false
  let handedOut = 0

  const lanes = createOrderedLanes<OpenEvent>({
    keyOf: ({ event }) => event.orderingKey,
    run: (item, done) =>
      publish(item, (step) => {
        if (step === 'done') close(item)
        done(step)
      }),
  })

  const close = ({ segment }: OpenEvent) => {
    segment.left -= 1
    if (segment.left === 0) onPublished(segment.position)
    open -= 1
    if (!full || open > window / 2) return
    full = false
    onRoom()
  }

  const onLost = ({ id, version }: ChangeRef, error: unknown) => {
    metrics.invariantViolations.inc({ invariant: 'missing_event' })
    logger.error(
      { request: id, version, err: error },
      'events that cannot be made of their rows are left out',
    )
  }

  /** Returns whether there may be more. */
  const read = async (): Promise<boolean> => {
    const rows = await readSegments(database, {
      after: cursor.start(),
      inHand: inHand.ranges(),
      limit: READ_LIMIT,
    })
    reached('outbox.read')
    const readAt = performance.now()
    waiting = rows.map((row) => readSegment(row, readAt))
    for (const { position } of rows) inHand.add(position)
    const cutShort = rows.length === READ_LIMIT
    cursor.readTo(rows.at(-1), cutShort)
    return cutShort
  }

  const handOut = async (segments: readonly Segment[]) => {
    const rendered = await renderSegments(database, segments, onLost)
    waiting = waiting.slice(segments.length)
    for (const [index, { position, writtenAt }] of segments.entries()) {
      const events = rendered[index] ?? []
      if (events.length === 0) onPublished(position)
      const segment = { position, left: events.length }
      open += events.length
      handedOut += events.length
      for (const event of events) {
        while (turns.over()) await turns.next()
        lanes.add({ event, writtenAt, segment })
      }
    }
    reached('outbox.handed_out')
  }

  return {
    lastHandedOut: () => handedOut,
    relay: async () => {
      handedOut = 0
      lanes.resume()
      const cutShort = waiting.length === 0 && (await read())
      while (waiting.length > 0 && open < window) await handOut(firstOf(waiting, RENDERED_AT_ONCE))
      full = waiting.length > 0
      if (full) return 'full'
      if (cutShort) return 'more'
      return open > 0 ? 'open' : 'idle'
    },
    forget: (positions) => {
      for (const position of positions) inHand.delete(position)
    },
    end: () => lanes.finish(),
  }
}

/** As many of the first segments as hold so many events, and at least one. */
function firstOf(segments: readonly Segment[], most: number): readonly Segment[] {
  let events = 0
  const end = segments.findIndex(({ size }, index) => {
    events += size
    return events > most && index > 0
  })
  return end < 0 ? segments : segments.slice(0, end)
}
