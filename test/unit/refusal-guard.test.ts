import { beforeEach, expect, it } from 'vitest'
import { createRefusalGuard, REFUSED_PAUSE_MS } from '../../src/clouddc/auth/refusal-guard.ts'

class Refused extends Error {}

let now: number
let shown: number
let guard: ReturnType<typeof createRefusalGuard>

beforeEach(() => {
  now = 0
  shown = 0
  guard = createRefusalGuard({ isRefused: (error) => error instanceof Refused, now: () => now })
})

const show = (projectId: string, error: Error | null) =>
  guard(projectId, async () => {
    shown += 1
    if (error !== null) throw error
    return projectId
  }).catch((thrown: unknown) => thrown)

it('a credential that was never accepted is not shown again for five minutes, for no project', async () => {
  await show('p1', new Refused())
  for (const project of ['p1', 'p2', 'p3']) expect(await show(project, null)).toBeInstanceOf(Refused)
  expect(shown).toBe(1)
  now = REFUSED_PAUSE_MS
  expect(await show('p2', null)).toBe('p2')
})

it('a refusal of one project does not stop the others of an accepted credential', async () => {
  await show('p1', null)
  await show('p2', new Refused())
  await show('p2', new Refused())
  expect(await show('p3', null)).toBe('p3')
})

it('refusals of three projects in a row speak of the credential', async () => {
  await show('p1', null)
  for (const project of ['p2', 'p3', 'p4']) await show(project, new Refused())
  expect(await show('p5', null)).toBeInstanceOf(Refused)
  expect(shown).toBe(4)
})

it('other troubles stop nobody', async () => {
  await show('p1', new Error('no answer'))
  expect(await show('p2', null)).toBe('p2')
})
