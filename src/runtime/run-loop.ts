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
  /** The longest wait between two passes, in milliseconds. */
  idleMs: number
  /** Passes after wake-ups begin at least so many milliseconds apart, to coalesce wake-ups. Default 0. */
  gapMs?: number
  /** Called once after the last pass. */
  onStop?: () => Promise<void>
}

export interface Loop extends Service {
  /** Ends the present or the next wait at once. */
  wake(): void
}

/**
 * The skeleton of every background duty: pass, then again at once, or wait for a wake-up, a due time or the stop.
 * A pass that throws is tried again after a jittered backoff; the outage is logged when it begins and when it ends.
 */
export function createLoop({ name, logger, runOnce, idleMs, gapMs = 0, onStop }: LoopOptions): Loop {
  const stopping = new AbortController()
  setMaxListeners(0, stopping.signal)
  const outage = createOutageLog({ logger, subject: name })
  let woken = false
  let endPause: (() => void) | undefined
  let pauseIsWakeable = false
  let running: Promise<void> | undefined

  const pause = (ms: number, { wakeable }: { wakeable: boolean }) =>
    new Promise<void>((resolve) => {
      if ((wakeable && woken) || ms <= 0 || stopping.signal.aborted) return resolve()
      const timer = setTimeout(finish, Math.min(ms, 2 ** 31 - 1))
      function finish() {
        clearTimeout(timer)
        endPause = undefined
        resolve()
      }
      endPause = finish
      pauseIsWakeable = wakeable
    })
  const wait = (ms: number) => pause(ms, { wakeable: true })

  const run = async () => {
    let failures = 0
    while (!stopping.signal.aborted) {
      woken = false
      const begunAt = performance.now()
      try {
        const result = await runOnce(stopping.signal)
        failures = 0
        outage.recovered()
        if (!result.again) {
          await wait(Math.min(result.waitMs ?? idleMs, idleMs))
          await pause(begunAt + gapMs - performance.now(), { wakeable: false })
        }
      } catch (error) {
        if (stopping.signal.aborted) break
        failures += 1
        outage.failed(error)
        woken = false
        await wait(jitteredBackoff(failures, { minMs: 100, maxMs: MAX_BACKOFF_MS }))
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
      endPause?.()
      await running
    },
    wake: () => {
      woken = true
      if (pauseIsWakeable) endPause?.()
    },
  }
}
