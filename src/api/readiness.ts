import { coerceError } from '../runtime/errors.ts'
import { scrubText } from '../telemetry/redact.ts'

/** Throws, or rejects, with the reason for which the service is not ready. */
export type ReadinessCheck = () => Promise<void> | void

/** What each check said: null if it passed. */
export type ReadinessReport = ReadonlyMap<string, string | null>

const DEADLINE_MS = 2000
const READY_CACHE_MS = 1000
const NOT_READY_CACHE_MS = 100

/**
 * Runs all checks at once, each with a deadline of two seconds. A report is shared by all who ask while it is made
 * and for a second after, so that probes cost the same however many there are. A negative report is shared for a
 * tenth of that, so that recovery is seen at once.
 */
export function createReadiness(
  checks: Readonly<Record<string, ReadinessCheck>>,
): () => Promise<ReadinessReport> {
  let report: Promise<ReadinessReport> | undefined
  let expiresAt = 0

  return () => {
    if (report !== undefined && performance.now() < expiresAt) return report
    expiresAt = Number.POSITIVE_INFINITY
    report = Promise.all(
      Object.entries(checks).map(async ([name, check]) => [name, await reasonAgainst(check)] as const),
    ).then((reasons) => {
      const ready = reasons.every(([, reason]) => reason === null)
      expiresAt = performance.now() + (ready ? READY_CACHE_MS : NOT_READY_CACHE_MS)
      return new Map(reasons)
    })
    return report
  }
}

async function reasonAgainst(check: ReadinessCheck): Promise<string | null> {
  const { promise: deadline, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`no answer within ${DEADLINE_MS} ms`)), DEADLINE_MS)
  try {
    await Promise.race([(async () => check())(), deadline])
    return null
  } catch (error) {
    return scrubText(coerceError(error).message)
  } finally {
    clearTimeout(timer)
  }
}
