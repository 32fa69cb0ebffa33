import { expect, test } from 'vitest'
import { OVERVIEW_EXAMPLE } from '../../src/api/operations/overview-example.ts'
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
