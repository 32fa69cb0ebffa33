import { setMaxListeners } from 'node:events'
import type { Logger } from 'pino'
import { jitteredBackoff } from './backoff.ts'
import { createOutageLog } from './outage-log.ts'
import type { Service } from './service.ts'

/** What one pass found: run again at once, or wait, at most `waitMs` where the pass knows when work is due. */
export type RunResult = { again: true } | { again: false; waitMs?: number }

export interface LoopOptions {
  name: string
  logger: Logger
  /** One pass. It takes the stop signal for its own waits, and throws when it could not do its work. */
  runOnce: (signal: AbortSignal) => Promise<RunResult>
  /** The longest wait between two passes, in milliseconds. */
  idleMs: number
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
export function createLoop({ name, logger, runOnce, idleMs, onStop }: LoopOptions): Loop {
  const stopping = new AbortController()
  setMaxListeners(0, stopping.signal)
  const outage = createOutageLog({ logger, subject: name })
  let woken = false
  let endWait: (() => void) | undefined
  let running: Promise<void> | undefined

  const wait = (ms: number) =>
    new Promise<void>((resolve) => {
      if (woken || stopping.signal.aborted) return resolve()
      const timer = setTimeout(finish, Math.min(Math.max(ms, 0), 2 ** 31 - 1))
      function finish() {
        clearTimeout(timer)
        endWait = undefined
        resolve()
      }
      endWait = finish
    })

  const run = async () => {
    let failures = 0
    while (!stopping.signal.aborted) {
      woken = false
      try {
        const result = await runOnce(stopping.signal)
        failures = 0
        outage.recovered()
        if (!result.again) await wait(Math.min(result.waitMs ?? idleMs, idleMs))
      } catch (error) {
        if (stopping.signal.aborted) break
        failures += 1
        outage.failed(error)
        woken = false
        await wait(jitteredBackoff(failures, { minMs: 100, maxMs: 5000 }))
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
      endWait?.()
      await running
    },
    wake: () => {
      woken = true
      endWait?.()
    },
  }
}
