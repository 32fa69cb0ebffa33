import type { SettledAttempt } from '../attempt/settle-attempts.sql.ts'
import { requestKey } from '../request/request-key.ts'
import type { SharedLoop } from '../runtime/run-loop.ts'

/** Loops that sleep while there is nothing for them to do; also what replicas say to each other to wake them. */
export const SLEEPERS = [
  'dispatcher',
  'preflight',
  'sweeper',
  'rescuer',
  'reconciler',
  'poller',
  'relay',
  'runner',
] as const
export type Sleeper = (typeof SLEEPERS)[number]
export type Loops<Some extends Sleeper = Sleeper> = Readonly<Record<Some, SharedLoop>>

/** How soon those look whose work is seldom for now: retries and deadlines, looks, requests back in the queue. */
const SOON_MS = 250

/** What a step calls when it has committed what others wait for. */
export interface WakeUps {
  /** Requests stand in the queue, and events in the outbox. */
  onQueued(): void
  /** A reading of a project's servers is wanted. */
  onWantsReading(): void
  /** Events stand in the outbox; the requests of these keys (`project/request`) have changed. */
  onEvents(keys?: Iterable<string>): void
  /** Attempts are settled, and their requests' events stand in the outbox. */
  onSettled(settled: readonly SettledAttempt[]): void
  /** There is more to dispatch than this replica takes; under load, after each claim. */
  onSurplus(): void
  /** An operator has asked for a run. */
  onRun(): void
  /** An operator has changed a call limit, or paused or resumed. */
  onLimits(): void
  /** This replica has ended its lease. */
  onResigned(): void
}

export interface HeardWakeUps {
  /** Other replicas have said so. */
  heard(words: readonly string[]): void
  /** What others said may have been lost. */
  wakeAll(): void
}

/**
 * Wakes the loops of this replica, and those of others where this one does not do the work itself. `loops` and
 * `tellReaders` are asked only when something is to be woken, since they are built later.
 */
export function createWakeUps({
  loops,
  say,
  tellReaders,
  firstPollMs,
}: {
  loops: () => Loops
  /** Tells all other replicas. */
  say: (sleeper: Sleeper) => void
  tellReaders: (keys: Iterable<string>) => void
  /** From an instance's creation to its first poll, in milliseconds. */
  firstPollMs: number
}): WakeUps & HeardWakeUps {
  let saidSurplusAt = Number.NEGATIVE_INFINITY
  const wake = (sleeper: Sleeper, inMs = 0) => {
    const loop = loops()[sleeper]
    loop.wake(inMs)
    if (!loop.serves()) say(sleeper)
  }
  const onEvents = (keys: Iterable<string> = []) => {
    wake('relay')
    tellReaders(keys)
  }
  return {
    onQueued: () => {
      wake('dispatcher')
      wake('relay')
      wake('sweeper', SOON_MS)
    },
    onWantsReading: () => wake('preflight'),
    onEvents,
    onSettled: (settled) => {
      onEvents(settled.map(requestKey))
      wake('poller', firstPollMs)
      wake('dispatcher', SOON_MS)
      wake('sweeper', SOON_MS)
      wake('reconciler', SOON_MS)
    },
    onSurplus: () => {
      const now = performance.now()
      if (now - saidSurplusAt < SOON_MS) return
      saidSurplusAt = now
      say('dispatcher')
    },
    onRun: () => wake('runner'),
    onLimits: () => {
      loops().dispatcher.wake()
      say('dispatcher')
    },
    onResigned: () => say('rescuer'),
    heard: (words) => {
      for (const sleeper of SLEEPERS) if (words.includes(sleeper)) loops()[sleeper].wake()
    },
    wakeAll: () => {
      for (const loop of Object.values(loops())) loop.wake()
    },
  }
}
