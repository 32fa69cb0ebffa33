import { setTimeout as sleep } from 'node:timers/promises'
import { jitteredBackoff } from '../runtime/backoff.ts'
import { PublishError, type PublishFailure } from './errors.ts'
import type { OutgoingMessage } from './message.ts'
import type { Publisher } from './publisher.ts'

const RETRY_MS = { minMs: 100, maxMs: 5000 }
/** With these delays, about half a minute. */
const MAX_TRIES = 12
/** What may pass while one waits. */
const PASSING: readonly PublishFailure[] = ['unavailable', 'nacked', 'unknown']

/**
 * Publishes a message until it is confirmed, for about half a minute: again after each failure of these kinds, at most until
 * the signal aborts. So the message may arrive more than once.
 * @throws {PublishError} the last failure
 */
export async function publishPatiently(
  publisher: Pick<Publisher, 'publish'>,
  message: OutgoingMessage,
  { signal, passing = PASSING }: { signal: AbortSignal; passing?: readonly PublishFailure[] },
): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await publisher.publish(message)
    } catch (error) {
      const passes = error instanceof PublishError && passing.includes(error.kind)
      if (!passes || tries >= MAX_TRIES || signal.aborted) throw error
      await sleep(jitteredBackoff(tries, RETRY_MS))
    }
  }
}
