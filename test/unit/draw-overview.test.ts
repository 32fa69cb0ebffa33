import { expect, test } from 'vitest'
import { OVERVIEW_EXAMPLE } from '../../src/api/operations/overview-example.ts'
import { changeOf } from '../../src/cli/draw-audit.ts'
import { drawOverview, type OverviewReply } from '../../src/cli/draw-overview.ts'
import { createTerminal } from '../../src/cli/terminal.ts'
import { widthOf } from '../../src/cli/text-width.ts'

const example = JSON.parse(JSON.stringify(OVERVIEW_EXAMPLE)) as OverviewReply
const draw = (overview: OverviewReply, columns?: number) => {
  const output = { write: () => undefined, ...(columns === undefined ? {} : { isTTY: true, columns }) }
  return drawOverview(createTerminal({ output, errors: output, environment: { NO_COLOR: '1' } }), overview)
}

test('the overview begins with what is broken, and names who waits, what is uncertain and what failed', () => {
  const lines = draw(example)
  expect(lines[0]).toBe(`broken: ${example.troubles[0]?.message}`)
  const text = lines.join('\n')
  for (const { project_id } of example.waiting.rows) expect(text).toContain(project_id)
  for (const { request_id } of example.uncertain.sample) expect(text).toContain(request_id)
  for (const { code } of example.failures.causes) expect(text).toContain(code)
  for (const { code } of example.dead_letters.by_code) expect(text).toContain(code)
  for (const { who } of example.changes) expect(text).toContain(who)
})

test('where nothing is broken it says so first', () => {
  expect(draw({ ...example, troubles: [] })[0]).toBe('nothing is broken')
})

test('its tables fit into a terminal of 120 columns', () => {
  const wide = draw(example, 120).filter((line) => widthOf(line) > 120)
  // Sentences may be longer: drawn again and again, they are cut.
  expect(wide.filter((line) => / {2}/.test(line.trim()))).toEqual([])
})

test('in a narrow terminal words are cut short, ids never are', () => {
  const request_id = 'order-with-an-id-of-its-own-and-more'
  const { failures, changes } = example
  const [cause] = failures.causes
  const causes = cause === undefined ? [] : [{ ...cause, sample: { ...cause.sample, request_id } }]
  const lines = draw({ ...example, failures: { ...failures, causes } }, 60)
  expect(lines.some((line) => line.includes(request_id))).toBe(true)
  for (const { at } of changes) expect(lines.join('\n')).toContain(at.slice(0, 19))
  expect(lines.find((line) => line.startsWith('accepted'))).toMatch(/ in the last minute$/)
})

test('of what is uncertain it tells what the last look came to', () => {
  const [attempt] = example.uncertain.sample
  if (attempt === undefined) throw new Error('the example has nothing uncertain')
  const sample = [{ ...attempt, looks: 5, found: [], verdict: 'APIGW.0613' }]
  const text = draw({ ...example, uncertain: { ...example.uncertain, sample } }).join('\n')
  expect(text).toContain('0 servers, looks: 5, the last: APIGW.0613')
})

test('a change is told by what is other than before, and how long it counts', () => {
  const before = { burst: 10, per_second: 20, configured: true }
  const after = {
    burst: 10,
    per_second: 2,
    configured: false,
    until: '2026-11-23T12:00:00.000Z',
    reason: 'why',
  }
  expect(changeOf({ before, after, until: '2026-11-23T12:00:00.000Z' })).toBe(
    'per_second 20 -> 2, configured true -> false, until 2026-11-23T12:00:00Z',
  )
  expect(changeOf({ before: null, after: { paused: true }, until: null })).toBe('paused true')
})
