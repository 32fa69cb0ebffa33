import fc from 'fast-check'
import { expect, test } from 'vitest'
import { dealOut } from '../../src/budget/deal-out.sql.ts'
import { useTestDatabase } from '../support/store-database.ts'

const database = await useTestDatabase()

interface Project {
  projectId: string
  dueAt: number
  available: number
}

const TEXT = `SELECT project_id AS id, n::int AS n FROM (${dealOut({
  from: 'FROM json_to_recordset($1::json) AS d(project_id text, due_at int4, available int4)',
  slots: '$2::int',
})}) dealt`

async function dealtOut(projects: readonly Project[], slots: number): Promise<Record<string, number>> {
  const input = projects.map(({ projectId, dueAt, available }) => ({
    project_id: projectId,
    due_at: dueAt,
    available,
  }))
  const rows = await database.query<{ id: string; n: number }>(TEXT, JSON.stringify(input), slots)
  return Object.fromEntries(rows.map(({ id, n }) => [id, n]))
}

/** Round after round, to each project in turn that can take one more. */
function dealtOneByOne(projects: readonly Project[], slots: number): Record<string, number> {
  const turns = projects
    .filter(({ available }) => available > 0)
    .toSorted((one, other) => one.dueAt - other.dueAt || (one.projectId < other.projectId ? -1 : 1))
  const dealt: Record<string, number> = Object.fromEntries(turns.map(({ projectId }) => [projectId, 0]))
  let left = slots
  for (let round = 1; left > 0; round += 1) {
    const takers = turns.filter(({ available }) => available >= round).slice(0, left)
    if (takers.length === 0) break
    for (const { projectId } of takers) dealt[projectId] = round
    left -= takers.length
  }
  return dealt
}

const projectLists = (maxLength: number, most: number) =>
  fc
    .array(
      fc.record({
        dueAt: fc.integer({ min: 0, max: 20 }),
        available: fc.oneof(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: most })),
      }),
      { maxLength },
    )
    .map((list) => list.map((project, n) => ({ ...project, projectId: `p${n}` })))

test('slots are dealt out as if one by one, the longest due first', async () => {
  await fc.assert(
    fc.asyncProperty(projectLists(20, 100), fc.integer({ min: 1, max: 150 }), async (projects, slots) => {
      expect(await dealtOut(projects, slots)).toEqual(dealtOneByOne(projects, slots))
    }),
    { numRuns: 1000, endOnFailure: true },
  )
})

test('no project that is due comes away with nothing', async () => {
  const projects = Array.from({ length: 64 }, (_, n) => ({
    projectId: `p${n}`,
    dueAt: n,
    available: n === 0 ? 64 : 1,
  }))
  const dealt = await dealtOut(projects, 64)
  expect(Object.values(dealt)).toEqual(Array(64).fill(1))
})
