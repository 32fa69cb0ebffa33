/**
 * Longer than the longest window the gateway was seen to limit by (5 minutes): a bad header must not stop a project.
 */
const MAX_RETRY_AFTER_MS = 600_000

/** The header counts in seconds. */
const MIN_RETRY_AFTER_MS = 1000

const HTTP_DATE = /^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? .+ gmt$/i

/**
 * A Retry-After header in milliseconds, 1 second to 10 minutes; null when absent or unreadable, and when it asks for
 * no wait at all: then our own growing delay is better. A date is measured from the answer's own Date header where
 * there is one, so that a clock that is wrong here does not matter.
 */
export function parseRetryAfter(
  value: string | string[] | undefined,
  date: string | string[] | undefined,
  now: number,
): number | null {
  const text = first(value)?.trim()
  if (text === undefined) return null
  if (/^\d+(?:\.\d+)?$/.test(text)) return waitOf(Number(text) * 1000)
  const until = parseHttpDate(text)
  if (until === null) return null
  const from = parseHttpDate(first(date) ?? '') ?? now
  return waitOf(until - from)
}

function waitOf(ms: number): number | null {
  return ms > 0 ? Math.min(MAX_RETRY_AFTER_MS, Math.max(MIN_RETRY_AFTER_MS, Math.ceil(ms))) : null
}

/** Date.parse alone would find a date in almost any text. */
function parseHttpDate(text: string): number | null {
  if (!HTTP_DATE.test(text)) return null
  const time = Date.parse(text)
  return Number.isNaN(time) ? null : time
}

function first(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value
}
