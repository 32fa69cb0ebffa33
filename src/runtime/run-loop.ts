import { setMaxListeners } from 'node:events'
import type { Logger } from 'pino'
import { jitteredBackoff } from './backoff.ts'
import { createOutageLog } from './outage-log.ts'
import type { Service } from './service.ts'

/** The longest wait after a pass that failed: an outage, however long, is noticed to be over soon after its end. */
const MAX_BACKOFF_MS = 1500

/** What one pass found: run again at once, or wait, at most `waitMs` where the pass knows when work is due. */
export type RunResult = { again: true } | { again: false; waitMs?: number }

export interface LoopOptions {
  name: string
  logger: Logger
  /** One pass. It takes the stop signal for its own waits, and throws when it could not do its work. */
  runOnce: (signal: AbortSignal) => Promise<RunResult>
  /** The longest wait between two passes, in milliseconds; as a function, asked at the end of each pass. */
  idleMs: number | (() => number)
  /**
   * Passes after wake-ups begin at least so many milliseconds apart, to coalesce wake-ups; as a function, asked at the
   * end of each pass. Default 0.
   */
  gapMs?: number | (() => number)
  /** Called once after the last pass. */
  onStop?: () => Promise<void>
}

export interface Loop extends Service {
  /** Ends the present wait, or else the next one, after so many milliseconds at the latest. Default 0. */
  wake(inMs?: number): void
}

/** A loop whose work any replica may do. */
export interface SharedLoop extends Loop {
  /** Whether this replica does that work now, as far as is known. */
  serves(): boolean
}

/** The longest idle wait, in milliseconds. `alone`: the wait where nobody else would wake the loop. */
export type IdleMs = (alone: number) => number

/** For a loop that nobody else wakes. */
export const asIfAlone: IdleMs = (alone) => alone

/**
 * The skeleton of every background duty: pass, then again at once, or wait for a wake-up, a due time or the stop.
 * A pass that throws is tried again after a jittered backoff; the outage is logged when it begins and when it ends.
 */
export function createLoop({ name, logger, runOnce, idleMs, gapMs = 0, onStop }: LoopOptions): Loop {
  const stopping = new AbortController()
  setMaxListeners(0, stopping.signal)
  const outage = createOutageLog({ logger, subject: name })
  /** The earliest time at which a pass is wanted by wake-ups since the last one began. */
  let wakeAt = Number.POSITIVE_INFINITY
  /** Ends the present wait, to look at `wakeAt` again. */
  let reconsider: (() => void) | undefined
  let running: Promise<void> | undefined

  const sleep = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(finish, Math.min(ms, 2 ** 31 - 1))
      function finish() {
        clearTimeout(timer)
        reconsider = undefined
        resolve()
      }
      reconsider = finish
    })

  /** Waits until that time, or the time of a wake-up (`wakeable`), or the stop. */
  const pauseUntil = async (time: number, { wakeable }: { wakeable: boolean }) => {
    while (!stopping.signal.aborted) {
      const left = (wakeable ? Math.min(time, wakeAt) : time) - performance.now()
      if (left <= 0) return
      await sleep(left)
    }
  }

  const run = async () => {
    let failures = 0
    while (!stopping.signal.aborted) {
      wakeAt = Number.POSITIVE_INFINITY
      const begunAt = performance.now()
      try {
        const result = await runOnce(stopping.signal)
        failures = 0
        outage.recovered()
        if (!result.again) {
          const mostMs = typeof idleMs === 'number' ? idleMs : idleMs()
          await pauseUntil(performance.now() + Math.min(result.waitMs ?? mostMs, mostMs), { wakeable: true })
          await pauseUntil(begunAt + (typeof gapMs === 'number' ? gapMs : gapMs()), { wakeable: false })
        }
      } catch (error) {
        if (stopping.signal.aborted) break
        failures += 1
        outage.failed(error)
        wakeAt = Number.POSITIVE_INFINITY
        const backoffMs = jitteredBackoff(failures, { minMs: 100, maxMs: MAX_BACKOFF_MS })
        await pauseUntil(performance.now() + backoffMs, { wakeable: true })
      }
    }
    await onStop?.()
  }

  return {
    name,
    start: async () => {
      if (stopping.signal.aborted) return
      running ??= run()
    },
    stop: async () => {
      stopping.abort()
      reconsider?.()
      await running
    },
    wake: (inMs = 0) => {
      const time = performance.now() + inMs
      if (time >= wakeAt) return
      wakeAt = time
      reconsider?.()
    },
  }
}
