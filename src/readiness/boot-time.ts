import type { UpstreamInstance } from '../clouddc/wire.ts'

/** By so much a time of CloudDC's may be rounded, and its record be older than ours, in milliseconds. */
const SLACK_MS = 10_000

/**
 * How long an instance took to run, in milliseconds: by CloudDC's own times, which one clock has made in one format, or
 * else by when it was found to run. `foundMs`: from its creation until then; `betweenPollsMs`: the longest that it may
 * have run before. What CloudDC says is believed if it fits these.
 */
export function bootTime(
  { createdAt, launchedAt }: Pick<UpstreamInstance, 'createdAt' | 'launchedAt'>,
  { foundMs, betweenPollsMs }: { foundMs: number; betweenPollsMs: number },
): number {
  const saidMs = Date.parse(launchedAt ?? '') - Date.parse(createdAt ?? '')
  const fits = saidMs > 0 && saidMs <= foundMs + SLACK_MS && saidMs >= foundMs - betweenPollsMs - SLACK_MS
  return fits ? saidMs : foundMs
}
