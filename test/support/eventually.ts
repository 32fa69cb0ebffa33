import { setTimeout as delay } from 'node:timers/promises'

/**
 * Runs an assertion again and again until it holds, and returns what it returns. After `timeoutMs` the last
 * failure is thrown. For states that something else brings about; never a measure of how fast it does.
 */
export async function eventually<Result>(
  assertion: () => Result | Promise<Result>,
  { timeoutMs = 15_000, pollMs = 20 }: { timeoutMs?: number; pollMs?: number } = {},
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
