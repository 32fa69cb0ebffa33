import { DeadlineError } from './errors.ts'

/**
 * Settles like `promise`, but after `ms` milliseconds at the latest, or when the signal aborts (with its reason).
 * amqplib's own promises may stay pending for ever when the peer goes silent.
 */
export function withDeadline<T>(
  promise: Promise<T>,
  { what, ms, signal }: { what: string; ms: number; signal?: AbortSignal },
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => end(() => reject(signal?.reason))
    const timer = setTimeout(
      () => end(() => reject(new DeadlineError(`${what}: no answer within ${ms} ms`))),
      ms,
    )
    const end = (settle: () => void) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      settle()
    }
    promise.then(
      (value) => end(() => resolve(value)),
      (error: unknown) => end(() => reject(error)),
    )
    if (signal?.aborted) onAbort()
    else signal?.addEventListener('abort', onAbort)
  })
}
