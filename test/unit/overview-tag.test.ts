import { expect, test } from 'vitest'
import { OVERVIEW_EXAMPLE } from '../../src/api/operations/overview-example.ts'
import { tagOf } from '../../src/operations/overview.ts'

test('an overview has the same tag while it says the same but for the time', () => {
  const { failures, open } = OVERVIEW_EXAMPLE
  const later = { ...OVERVIEW_EXAMPLE, read_at: new Date(), failures: { ...failures, since: new Date() } }
  expect(tagOf(later)).toBe(tagOf(OVERVIEW_EXAMPLE))
  const other = { ...OVERVIEW_EXAMPLE, open: { ...open, queued: open.queued + 1 } }
  expect(tagOf(other)).not.toBe(tagOf(OVERVIEW_EXAMPLE))
})
