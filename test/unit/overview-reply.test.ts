import { expect, test } from 'vitest'
import { OVERVIEW_EXAMPLE } from '../../src/api/operations/overview-example.ts'
import { overviewSchema } from '../../src/operations/overview-reply.ts'

test('the example of the overview is an overview, and holds nothing more', () => {
  expect(overviewSchema.parse(OVERVIEW_EXAMPLE)).toEqual(OVERVIEW_EXAMPLE)
})
