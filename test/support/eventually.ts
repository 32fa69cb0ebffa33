import { setTimeout as delay } from 'node:timers/promises'

/**
 * Runs an assertion again and again until it holds, and returns what it returns. After `timeoutMs` the last
 * failure is thrown: a bound on hangs, shorter than a test may take. For states that something else brings about and
 * that last; never a measure of how fast it does.
 */
export async function eventually<Result>(
  assertion: () => Result | Promise<Result>,
  { timeoutMs = 60_000, pollMs = 20 }: { timeoutMs?: number; pollMs?: number } = {},
): Promise<Result> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    try {
      return await assertion()
    } catch (error) {
      if (performance.now() > deadline) throw error
    }
    await delay(pollMs)
  }
}
