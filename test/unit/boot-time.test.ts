import { expect, test } from 'vitest'
import { bootTime } from '../../src/readiness/boot-time.ts'

const found = { foundMs: 300_000, betweenPollsMs: 60_000 }
const said = (launchedAt: string, createdAt = '2026-11-26T10:00:00Z') => ({ createdAt, launchedAt })

test.each([
  ["CloudDC's own times", said('2026-11-26T10:04:40Z'), 280_000],
  ['these in another format', said('2026-11-26 10:04:40', '2026-11-26 10:00:00'), 280_000],
])('a boot took what %s say', (_what, times, expected) => {
  expect(bootTime(times, found)).toBe(expected)
})

test.each([
  ['missing', {}],
  ['no times', said('soon')],
  ['before the creation', said('2026-11-26T09:00:00Z')],
  ['later than it was found to run', said('2026-11-26T11:00:00Z')],
  ['at a time when a poll has found it pending', said('2026-11-26T10:00:10Z')],
])('where they are %s, it took until it was found to run', (_what, times) => {
  expect(bootTime(times, found)).toBe(300_000)
})
