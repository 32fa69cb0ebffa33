import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AppWorld, createAppWorld } from '../support/app-world.ts'
import { readAttempts } from '../support/attempts.ts'
import { eventually } from '../support/eventually.ts'

let world: AppWorld
let second: string
beforeAll(async () => {
  world = await createAppWorld()
  await world.startApp()
  ;({ url: second } = await world.startApp())
  // Notes every closing of a bucket, however soon it opens again.
  await world.database.query('CREATE TABLE closing (project_id text, reason text, until timestamptz)')
  await world.database.query(
    `CREATE FUNCTION note_closing() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
       INSERT INTO closing VALUES (NEW.project_id, NEW.blocked_reason, NEW.blocked_until);
       RETURN NULL;
     END $$`,
  )
  await world.database.query(
    `CREATE TRIGGER note_closing AFTER UPDATE ON rate_bucket FOR EACH ROW
     WHEN (NEW.blocked_until > now() AND NEW.blocked_until IS DISTINCT FROM OLD.blocked_until)
     EXECUTE FUNCTION note_closing()`,
  )
})
afterAll(() => world.close())

/** The closings of a project, with the number of attempts that were begun before it opened again. */
const closingsOf = async (project: string) => {
  const closings = await world.database.query<{ reason: string; until: Date }>(
    'SELECT reason, until FROM closing WHERE project_id = $1',
    [project],
  )
  const attempts = await readAttempts(world.database, project)
  return closings.map(({ reason, until }) => ({
    reason,
    begun: attempts.filter(({ startedAt }) => startedAt < until.getTime()).length,
  }))
}

describe.concurrent('being throttled', () => {
  test.each([
    ['with Retry-After', { retry_after: 1 }],
    ['without it', {}],
    ['with a bare string for a body', { form: 'string' as const }],
  ])('%s costs no attempt, and closes the project for every replica until then', async (_, more) => {
    const project_id = world.newProject()
    world.simulator.faults.add({
      kind: 'throttle',
      operation: 'RunInstances',
      project: project_id,
      ...more,
    })
    const first = await world.order({ project_id })
    await eventually(async () =>
      expect(await closingsOf(project_id)).toEqual([{ reason: 'throttled', begun: 1 }]),
    )
    const others = await Promise.all(Array.from({ length: 5 }, () => world.order({ project_id })))
    for (const key of [first, ...others]) {
      expect(await world.ended(key)).toMatchObject({ state: 'running', attempts: 1, error: null })
    }
    expect(world.calls(project_id)).toHaveLength(7)
    expect(await closingsOf(project_id)).toEqual([{ reason: 'throttled', begun: 1 }])
    expect((await world.allEventsOf(first)).map((event) => event.kind)).toEqual([
      'request.accepted',
      'request.dispatched',
      'instance.running',
      'request.completed',
    ])
  })

  test('lets one call through to see, and the others only after its answer', async () => {
    const project_id = world.newProject()
    const throttle = { kind: 'throttle' as const, operation: 'RunInstances' as const, project: project_id }
    world.simulator.faults.add({ ...throttle, retry_after: 600 })
    const probe = world.simulator.faults.add({ kind: 'hold', operation: 'RunInstances', project: project_id })
    const first = await world.order({ project_id })
    await world.statusWhen(first, ({ waiting }) => expect(waiting?.reason).toBe('throttled'))
    const others = await Promise.all(Array.from({ length: 5 }, () => world.order({ project_id })))
    for (const key of others) await world.statusWhen(key, () => undefined)
    await world.database.query(
      `UPDATE rate_bucket SET blocked_until = now() - interval '1 second', due_at = now() WHERE project_id = $1`,
      [project_id],
    )
    await world.simulator.faults.struck(probe.id)
    for (const key of others) await world.statusWhen(key, ({ state }) => expect(state).toBe('queued'))
    expect(world.calls(project_id)).toHaveLength(2)
    world.simulator.faults.release(probe.id)
    for (const key of [first, ...others]) expect((await world.ended(key)).state).toBe('running')
  })

  test('leaves the other projects alone', async () => {
    const project_id = world.newProject()
    world.simulator.faults.add({
      kind: 'throttle',
      operation: 'RunInstances',
      project: project_id,
      retry_after: 3600,
    })
    const key = await world.order({ project_id })
    await world.statusWhen(key, ({ waiting }) => expect(waiting?.reason).toBe('throttled'))
    const other = await world.order({ project_id: world.newProject() })
    expect((await world.ended(other)).state).toBe('running')
    expect(await world.statusOf(key)).toMatchObject({ state: 'queued', attempts: 0 })
    expect((await world.get(world.pathOf(key), second)).body).toMatchObject({
      waiting: { reason: 'throttled' },
    })
  })
})
