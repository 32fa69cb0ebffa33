import { setTimeout as delay } from 'node:timers/promises'

export interface WaitOptions {
  /** What is waited for, for the message. */
  what: string
  timeoutMs: number
  pollMs?: number
  /** Text that explains why waiting is pointless; ends the wait at once. */
  givenUp?: () => string | undefined
}

/** Tries again and again until `attempt` does not throw. The error after the time is up carries the last failure. */
export async function waitUntil<Result>(
  attempt: () => Promise<Result>,
  { what, timeoutMs, pollMs = 100, givenUp }: WaitOptions,
): Promise<Result> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      const reason = givenUp?.()
      if (reason !== undefined) throw new Error(`${what}: ${reason}`)
      if (performance.now() > deadline) {
        throw new Error(`${what}: not within ${timeoutMs / 1000} s`, { cause: error })
      }
      await delay(pollMs)
    }
  }
}
