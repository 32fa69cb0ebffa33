import type { Logger } from 'pino'
import type { Gauge } from 'prom-client'
import type { RequestState } from '../request/provision-request.ts'
import { createLoop } from '../runtime/run-loop.ts'
import type { Service } from '../runtime/service.ts'
import type { Reads } from './reads.ts'

/** Time between two looks for the states of all requests that are waited for, in milliseconds. */
const LOOK_MS = 500
/** Ids per statement. */
const BATCH = 1000
/** Replies held at once by one replica: each costs a connection, and a read when it begins and when it ends. */
const MAX_HELD = 1000
/** Those of one caller: the others get theirs, however many this one asks for. */
const MAX_HELD_BY_ONE = 200

/** Thrown when more clients wait than one replica holds. */
export class TooManyWaitersError extends Error {
  override readonly name = 'TooManyWaitersError'
}

/** Thrown when one caller waits for more than its share of what a replica holds. */
export class TooManyWaitsError extends Error {
  override readonly name = 'TooManyWaitsError'
}

export interface WaitOptions {
  /** The request's row, and its key as events have it: `<project id>/<request id>`. */
  id: string
  key: string
  /** The wait ends when the request is in another state than this. */
  since: RequestState
  timeoutMs: number
  /** Ends the wait: the client has gone. */
  signal: AbortSignal
}

/** Why a wait ended: another state was seen, the time is over, the client has gone, or the watcher stops. */
export type WaitEnd = 'changed' | 'timeout' | 'gone' | 'stopped'

export interface StatusWatcher extends Service {
  /**
   * Makes a reply that may be held, from its first read on. Throws a TooManyWaitersError or, where those of `holder` are
   * too many, a TooManyWaitsError, before anything is read. Null: a holder without bounds of its own.
   */
  hold<Reply>(holder: string | null, make: () => Promise<Reply>): Promise<Reply>
  /** Resolves when the wait ends, and never rejects. */
  waitForChange(options: WaitOptions): Promise<WaitEnd>
  /**
   * Says that this process has just changed the requests of these keys; their waiters need not wait for the next
   * look.
   */
  notify(keys: Iterable<string>): void
  /** Clients waiting now. */
  size(): number
}

interface Waiter {
  id: string
  key: string
  since: RequestState
  end: (why: WaitEnd) => void
}

/**
 * One watcher for all clients that wait: one statement per look and per 1,000 requests waited for, however many
 * clients wait for them. Changes by other replicas are seen at the next look, those of this one at once.
 */
export function createStatusWatcher(options: {
  reads: Pick<Reads, 'states'>
  logger: Logger
  waiters?: Gauge
  maxHeld?: number
  maxHeldByOne?: number
}): StatusWatcher {
  const { reads, logger, waiters: gauge, maxHeld = MAX_HELD, maxHeldByOne = MAX_HELD_BY_ONE } = options
  const waiters = new Set<Waiter>()
  const waitersByKey = new Map<string, Set<Waiter>>()
  const changed = new Set<string>()
  let held = 0
  const heldBy = new Map<string, number>()
  let nextLookAt = 0
  let stopped = false

  const add = (waiter: Waiter) => {
    waiters.add(waiter)
    waitersByKey.set(waiter.key, (waitersByKey.get(waiter.key) ?? new Set()).add(waiter))
    gauge?.set(waiters.size)
  }

  const remove = (waiter: Waiter) => {
    waiters.delete(waiter)
    const others = waitersByKey.get(waiter.key)
    others?.delete(waiter)
    if (others?.size === 0) waitersByKey.delete(waiter.key)
    gauge?.set(waiters.size)
  }

  /** Counts a reply of `holder` that begins (1) or ends (-1) being held. */
  const count = (holder: string | null, change: 1 | -1) => {
    held += change
    if (holder === null) return
    const own = (heldBy.get(holder) ?? 0) + change
    if (own === 0) heldBy.delete(holder)
    else heldBy.set(holder, own)
  }

  const look = async (looked: readonly Waiter[]) => {
    const ids = [...new Set(looked.map((waiter) => waiter.id))]
    for (let start = 0; start < ids.length; start += BATCH) {
      const batch = ids.slice(start, start + BATCH)
      const states = await reads.states(batch)
      const asked = new Set(batch)
      for (const waiter of looked) {
        if (asked.has(waiter.id) && states.get(waiter.id) !== waiter.since) waiter.end('changed')
      }
    }
  }

  const loop = createLoop({
    name: 'status watcher',
    logger,
    idleMs: 60_000,
    runOnce: async () => {
      const isFull = performance.now() >= nextLookAt
      const looked = isFull ? [...waiters] : [...changed].flatMap((key) => [...(waitersByKey.get(key) ?? [])])
      changed.clear()
      if (isFull && looked.length > 0) nextLookAt = performance.now() + LOOK_MS
      await look(looked)
      if (waiters.size === 0) return { again: false }
      return { again: false, waitMs: Math.max(0, nextLookAt - performance.now()) }
    },
  })

  return {
    name: 'status watcher',
    start: loop.start,
    stop: async () => {
      stopped = true
      for (const waiter of waiters) waiter.end('stopped')
      await loop.stop()
    },
    size: () => waiters.size,
    notify: (keys) => {
      for (const key of keys) if (waitersByKey.has(key)) changed.add(key)
      if (changed.size > 0) loop.wake()
    },
    hold: async (holder, make) => {
      if (holder !== null && (heldBy.get(holder) ?? 0) >= maxHeldByOne)
        throw new TooManyWaitsError(`this replica holds ${maxHeldByOne} replies of this caller already`)
      if (held >= maxHeld) throw new TooManyWaitersError(`this replica holds ${maxHeld} replies already`)
      count(holder, 1)
      try {
        return await make()
      } finally {
        count(holder, -1)
      }
    },
    waitForChange: ({ id, key, since, timeoutMs, signal }) => {
      if (stopped) return Promise.resolve('stopped')
      if (signal.aborted) return Promise.resolve('gone')
      return new Promise<WaitEnd>((resolve) => {
        const end = (why: WaitEnd) => {
          clearTimeout(timer)
          signal.removeEventListener('abort', gone)
          remove(waiter)
          resolve(why)
        }
        const gone = () => end('gone')
        const timer = setTimeout(() => end('timeout'), timeoutMs)
        signal.addEventListener('abort', gone)
        const waiter: Waiter = { id, key, since, end }
        add(waiter)
        // The loop sleeps while nobody waits.
        if (waiters.size === 1) loop.wake()
      })
    },
  }
}
