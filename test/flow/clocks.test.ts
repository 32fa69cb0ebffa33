import { afterAll, beforeAll, expect, test } from 'vitest'
import { startAppProcess } from '../support/app-process.ts'
import { type AppWorld, createAppWorld, type RequestKey } from '../support/app-world.ts'
import { eventually } from '../support/eventually.ts'

let world: AppWorld
beforeAll(async () => {
  world = await createAppWorld()
  await world.startApp({ ROLES: 'api,outbox' })
  await startSkewed({ ROLES: 'intake,readiness' }, 3_600_000)
  await startSkewed({ ROLES: 'dispatch' }, -3_600_000)
})
afterAll(() => world.close())

/** A process of the service whose clock is so many milliseconds ahead. */
async function startSkewed(settings: Readonly<Record<string, string>>, aheadMs: number): Promise<void> {
  const skew = `
    const Actual = Date
    globalThis.Date = class extends Actual {
      constructor(...values) { super(...(values.length === 0 ? [Actual.now() + ${aheadMs}] : values)) }
      static now() { return Actual.now() + ${aheadMs} }
    }`
  const started = await startAppProcess({
    ...world.environment,
    ...settings,
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(skew)}`,
  })
  world.defer(started.kill)
  await started.ready()
}

const clock = async (): Promise<string> => {
  const [row] = await world.database.query<{ now: Date }>('SELECT clock_timestamp() AS now')
  return row?.now.toISOString() ?? ''
}

/** Every time in the events of a request, in the order of the events. */
const timesOf = (key: RequestKey): string[] => world.eventsOf(key).map(({ time }) => time)

test('replicas an hour apart tell every step at its time on the clock of the database', async () => {
  const project_id = world.newProject()
  const begin = await clock()
  const running = await world.order({ project_id, spec: { min_count: 2 } })
  await world.ended(running)
  world.simulator.faults.add({
    kind: 'error_before',
    operation: 'RunInstances',
    status: 400,
    project: project_id,
  })
  const refused = await world.order({ project_id })
  await world.ended(refused)
  world.simulator.faults.add({
    kind: 'boot',
    operation: 'RunInstances',
    boot_failures: 1,
    project: project_id,
  })
  const broken = await world.order({ project_id })
  await world.ended(broken)
  const late = await world.order({ project_id, deadline: '2020-01-01T00:00:00Z' })
  await world.ended(late)
  world.simulator.faults.add({ kind: 'cut_after', operation: 'RunInstances', project: project_id })
  const doubtful = await world.order({ project_id })
  await world.ended(doubtful)
  const rejected = await world.order({ project_id, priority: 'none' })
  await eventually(() => expect(world.kindsOf(rejected)).toEqual(['request.rejected']))
  for (const key of [running, refused, broken, late, doubtful]) await world.allEventsOf(key)
  const end = await clock()

  for (const key of [running, refused, broken, late, doubtful, rejected]) {
    const times = timesOf(key)
    expect(times).toEqual(times.toSorted())
    for (const time of times) expect(begin <= time && time <= end, `${begin} ${time} ${end}`).toBe(true)
  }
  for (const key of [running, refused, broken, late, doubtful]) {
    const status = await world.statusOf(key)
    const events = world.eventsOf(key)
    expect(events[0]?.time).toBe(status.created_at)
    expect(events.at(-1)).toMatchObject({ time: status.completed_at, data: { error: status.error } })
    const ran = events.flatMap((event) => (event.kind === 'instance.running' ? [event.data] : []))
    for (const { instance_id, running_at } of ran)
      expect(status.instances.find(({ id }) => id === instance_id)?.running_at).toBe(running_at)
    const history = await world.historyOf(key)
    const ended = history.findLast((entry) => entry.kind === 'transition')
    expect(ended?.time).toBe(status.completed_at)
    for (const time of JSON.stringify(history).match(/\d{4}-\d\d-\d\dT[\d:.]+Z/g) ?? [])
      expect(begin <= time && time <= end, `${begin} ${time} ${end}`).toBe(true)
  }
})
