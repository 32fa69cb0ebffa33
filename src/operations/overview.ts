import { REJECTION_CODES } from '../contracts/rejection-code.ts'
import type { ThroughPrisma } from '../database/database.ts'
import { createKeptReading } from '../runtime/kept-reading.ts'
import { createSlots } from '../runtime/slots.ts'
import { NIL_UUID } from '../runtime/uuid.ts'
import { weakTag } from '../runtime/weak-tag.ts'
import { countLetters } from './count-letters.sql.ts'
import { findUncertain } from './find-uncertain.sql.ts'
import { MOST_LISTED, MOST_SAMPLES, RATE_MINUTES } from './overview-bounds.ts'
import { budgetsOf, type ConfiguredLimits } from './overview-levels.ts'
import type { Overview } from './overview-reply.ts'
import { dutiesOf, lastPollsOf, ratesOf, replicasOf } from './overview-standing.ts'
import { troublesOf } from './overview-troubles.ts'
import { uncertainSample } from './overview-uncertain.ts'
import { openOf, waitingOf } from './overview-waiting.ts'
import { readFlow } from './read-flow.sql.ts'
import { readLevels } from './read-levels.sql.ts'
import { readStanding } from './read-standing.sql.ts'
import { readWaiting } from './read-waiting.sql.ts'
import type { OperationsReads } from './reads.ts'

/** An overview serves so long, however many ask, and each of its parts at least so long, in milliseconds. */
const FRESH_MS = 1000
/** No part serves longer than this before it is read again: on a busy machine little takes long, too. In milliseconds. */
const MOST_MS = 30_000
/** Who asks does not wait longer for a part that was read before, in milliseconds. */
const PATIENCE_MS = 100
/** A part that takes longer may be out of reach: who asks waits, and is told so, in milliseconds. */
const STUCK_MS = 3000
/** Connections that it takes at once. */
const SLOTS = 2
/** What each part may cost the database on average: 0..1 of a core, were all its time spent computing. */
const SHARES = {
  waiting: 0.002,
  budgets: 0.0015,
  failures: 0.001,
  uncertain: 0.001,
  letters: 0.0005,
  others: 0.0005,
}

const DAY_MS = 86_400_000
/** Open requests that are counted, of up to so many projects, and of each at least. */
const OPEN = { mostProjects: 2000, most: 20_000, atLeast: 20 }
/** Ended requests that are looked at for failures, the newest. */
const FAILURES_READ = 20_000
/** Letters of each code. */
const LETTERS_COUNTED = 10_000
const SEGMENTS_READ = 1000

export interface OverviewOptions {
  database: ThroughPrisma
  reads: Pick<OperationsReads, 'audit' | 'failures'>
  limits: ConfiguredLimits
  /** Letters in the queue of dead letters; null when the broker does not say. */
  lettersInQueue: () => Promise<number | null>
  brokerReady: () => boolean
  /** Roles that some replica must have. */
  roles: readonly string[]
}

export interface OverviewReading {
  read(): Promise<TaggedOverview>
  /** A person has changed something: who asks next sees it. */
  changed(): void
}

export interface TaggedOverview {
  overview: Overview
  /** Its entity tag: the same while it says the same but for the time. */
  tag: string
}

/**
 * How the installation stands. Each part is read on its own, at most once a second, and the more rarely the longer it takes,
 * so that the database's part has a bound whatever there is to count and however many look on. Nothing is read while nobody
 * asks.
 */
export function createOverview(options: OverviewOptions): OverviewReading {
  const { database, reads, limits, lettersInQueue, brokerReady, roles } = options
  const slots = createSlots({ slots: SLOTS, maxWaiting: 100 })
  const kept = { freshMs: FRESH_MS, patienceMs: PATIENCE_MS, mostMs: MOST_MS }
  const part = <Value>(share: number, read: () => Promise<Value>) =>
    createKeptReading({ ...kept, stuckMs: STUCK_MS, read: () => slots.run(read), share })

  const parts = {
    standing: part(SHARES.others, () =>
      readStanding(database, { mostReplicas: MOST_LISTED, mostSegments: SEGMENTS_READ }),
    ),
    flow: part(SHARES.others, () => readFlow(database, RATE_MINUTES)),
    kinds: part(SHARES.waiting, () => readWaiting(database, OPEN)),
    budgets: part(SHARES.budgets, () => readLevels(database, MOST_LISTED)),
    doubts: part(SHARES.uncertain, () => findUncertain(database, { after: NIL_UUID, limit: MOST_SAMPLES })),
    failures: part(SHARES.failures, () =>
      reads.failures(new Date(Date.now() - DAY_MS), { most: FAILURES_READ }),
    ),
    letters: part(SHARES.letters, () =>
      countLetters(database, { codes: REJECTION_CODES, most: LETTERS_COUNTED }),
    ),
    changes: part(SHARES.others, () => reads.audit({ limit: MOST_SAMPLES, before: undefined })),
    // A broker that is silent holds nobody up.
    inQueue: createKeptReading({ ...kept, read: lettersInQueue, share: 1 }),
  }

  const read = async (): Promise<TaggedOverview> => {
    const [standing, flow, kinds, row, doubts, failed, letters, changes, inQueue] = await Promise.all([
      parts.standing.get(),
      parts.flow.get(),
      parts.kinds.get(),
      parts.budgets.get(),
      parts.doubts.get(),
      parts.failures.get(),
      parts.letters.get(),
      parts.changes.get(),
      parts.inQueue.get(),
    ])
    const { since, truncated, failures } = failed
    const doubtful = kinds.filter(({ state }) => state === 'uncertain').map(({ updatedAt }) => updatedAt)
    const found: Omit<Overview, 'troubles'> = {
      read_at: standing.now,
      replicas: replicasOf(standing),
      duties: dutiesOf(standing),
      rates: ratesOf(flow),
      open: { ...openOf(kinds), events: standing.events, oldest_event_at: standing.oldestEventAt },
      waiting: waitingOf(kinds),
      budgets: budgetsOf(row, limits),
      uncertain: {
        count: doubts.total,
        oldest_at: earliest(doubtful),
        sample: doubts.attempts.map(uncertainSample),
      },
      failures: {
        since,
        count: failures.reduce((sum, { count }) => sum + count, 0),
        causes: failures.slice(0, MOST_SAMPLES),
        truncated,
      },
      dead_letters: {
        in_queue: inQueue,
        by_code: letters.map(({ code, count, newest }) => ({
          code,
          count,
          capped: count >= LETTERS_COUNTED,
          newest_at: newest,
        })),
      },
      changes: changes.entries,
    }
    const troubles = troublesOf({
      ...found,
      closed: row.closed,
      polls: lastPollsOf(flow),
      brokerReady: brokerReady(),
      roles,
    })
    const overview = { ...found, troubles }
    return { overview, tag: tagOf(overview) }
  }

  const whole = createKeptReading({ read, freshMs: FRESH_MS, share: 1 })
  const changeable = [parts.kinds, parts.budgets, parts.doubts, parts.changes, whole]
  return {
    read: whole.get,
    changed: () => {
      for (const { outdate } of changeable) outdate()
    },
  }
}

function earliest(times: readonly Date[]): Date | null {
  return times.length === 0 ? null : new Date(Math.min(...times.map((time) => time.getTime())))
}

/** Pure. */
export function tagOf({ read_at: _, failures: { since: __, ...failures }, ...overview }: Overview): string {
  return weakTag(JSON.stringify({ ...overview, failures }))
}
