import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AppWorld, createAppWorld, type StatusReply } from '../support/app-world.ts'
import { eventually } from '../support/eventually.ts'

let world: AppWorld
beforeAll(async () => {
  world = await createAppWorld()
  await world.startApp()
  await world.startApp()
})
afterAll(() => world.close())

const answerOnce = (project: string, script: Record<string, unknown>) =>
  world.simulator.faults.add({ kind: 'error_before', operation: 'RunInstances', project, ...script })
const answerAlways = (project: string, script: Record<string, unknown>) =>
  answerOnce(project, { ...script, count: null })

describe.concurrent('what CloudDC refuses for good', () => {
  test.each([
    [400, 'iMetal.0001', 'The image is of no use.'],
    [404, 'iMetal.0100', 'There is no such server.'],
    [409, 'iMetal.0102', 'It is taken.'],
  ])('with %i ends as failed, in its own words', async (status, error_code, error_msg) => {
    const project_id = world.newProject()
    answerOnce(project_id, { status, body: { error_code, error_msg } })
    const key = await world.order({ project_id, spec: { min_count: 2, max_count: 3 } })
    const events = await world.allEventsOf(key)
    const counts = { min: 2, max: 3, created: 0, running: 0, failed: 0 }
    expect(events).toMatchObject([
      { kind: 'request.accepted' },
      {
        kind: 'request.completed',
        data: { state: 'failed', counts, error: { code: error_code, message: error_msg } },
      },
    ])
    expect(await world.statusOf(key)).toMatchObject({
      state: 'failed',
      attempts: 1,
      counts,
      error: { code: error_code, message: error_msg },
    })
    expect(world.calls(project_id)).toHaveLength(1)
  })

  test('because a selected server is not there, or too few are', async () => {
    const project_id = world.newProject()
    world.simulator.inventory.set(project_id, { servers: [{ id: 'a' }, { id: 'b' }] })
    const unknown = await world.order({
      project_id,
      spec: { placement: { server_id_set: ['a', 'no-such'] } },
    })
    const tooMany = await world.order({ project_id, spec: { min_count: 3 } })
    expect((await world.ended(unknown)).error?.code).toBe('iMetal.0100')
    expect((await world.ended(tooMany)).error?.code).toBe('iMetal.0101')
    expect(world.creations(project_id)).toEqual([])
  })

  test('is no trouble of the project: the next order goes through', async () => {
    const project_id = world.newProject()
    answerOnce(project_id, { status: 400, body: { error_code: 'iMetal.0001', error_msg: 'no' } })
    await world.ended(await world.order({ project_id }))
    const key = await world.order({ project_id })
    expect((await world.ended(key)).state).toBe('running')
  })
})

/** Nobody waits for the next probe, or for a request that stands aside. */
const probeNow = async (database: AppWorld['database'], project: string) => {
  await database.query(
    `UPDATE provision_request SET retry_at = now() WHERE project_id = $1 AND retry_at IS NOT NULL`,
    [project],
  )
  await openFor(database, project)
}

const openFor = (database: AppWorld['database'], project: string) =>
  database.query(
    `UPDATE rate_bucket SET blocked_until = now(), due_at = now()
     WHERE project_id = $1 AND blocked_until IS NOT NULL`,
    [project],
  )

describe.concurrent('a refusal of us', () => {
  test.each([
    ['forbidden', 403, { error_code: 'iMetal.0004', error_msg: 'Insufficient permissions' }],
    ['forbidden', 403, '<html>not from here</html>'],
    ['misconfigured', 404, { error_code: 'APIGW.0101', error_msg: 'The API does not exist' }],
    ['misconfigured', 404, '<html>no such page</html>'],
    ['misconfigured', 405, { error_code: 'APIGW.0501', error_msg: 'The quota is used up' }],
    ['misconfigured', 400, 'The plain HTTP request was sent to HTTPS port'],
    [
      'unauthorized',
      401,
      { error_code: 'APIGW.0301', error_msg: 'Incorrect IAM authentication information' },
    ],
  ])(
    'closes the project as %s (%i) and ends nothing; work goes on by itself',
    async (reason, status, body) => {
      const project_id = world.newProject()
      const fault = answerAlways(project_id, { status, body })
      const keys = await Promise.all(Array.from({ length: 5 }, () => world.order({ project_id })))
      for (const key of keys) {
        const waiting = await world.statusWhen(key, (one) => expect(one.waiting?.reason).toBe(reason))
        expect(waiting).toMatchObject({ state: 'queued', attempts: 0, error: null })
      }
      world.simulator.faults.remove(fault.id)
      await probeNow(world.database, project_id)
      for (const key of keys) expect(await world.ended(key)).toMatchObject({ state: 'running', attempts: 1 })
      expect(world.creations(project_id)).toHaveLength(5)
    },
  )

  test('that leaves open what was done closes it too, and the attempt is found out and not counted', async () => {
    const project_id = world.newProject()
    const fault = answerAlways(project_id, {
      status: 500,
      body: { error_code: 'APIGW.0611', error_msg: 'The backend address is wrong' },
    })
    const first = await world.order({ project_id })
    await world.simulator.faults.struck(fault.id)
    await world.statusWhen(first, ({ state }) => expect(state).not.toBe('dispatching'))
    const second = await world.order({ project_id })
    const closed = await world.statusWhen(second, ({ waiting }) =>
      expect(waiting?.reason).toBe('misconfigured'),
    )
    expect(closed).toMatchObject({ state: 'queued', attempts: 0 })
    world.simulator.faults.remove(fault.id)
    await probeNow(world.database, project_id)
    for (const key of [first, second]) {
      expect(await world.ended(key)).toMatchObject({ state: 'running', attempts: 1 })
    }
    const causes = (await world.historyOf(first)).map(({ cause }) => cause)
    expect(causes).toEqual(expect.arrayContaining(['server_error', 'void', 'created']))
  })

  test('that may concern one order alone lets others be the probe', async () => {
    const project_id = world.newProject()
    const body = { error_code: 'iMetal.0004', error_msg: 'not this image' }
    const fault = answerAlways(project_id, { status: 403, body })
    const refused = await world.order({ project_id })
    await world.statusWhen(refused, ({ waiting }) => expect(waiting?.reason).toBe('forbidden'))
    // However long it stands aside: here as if for long.
    await world.database.query(
      `UPDATE provision_request SET retry_at = now() + interval '1 hour', queue_rank = NULL
       WHERE project_id = $1 AND state = 'queued'`,
      [project_id],
    )
    world.simulator.faults.remove(fault.id)
    const other = await world.order({ project_id })
    await openFor(world.database, project_id)
    await world.ended(other)
    expect((await world.statusOf(refused)).waiting?.reason).toBe('retry')
    await probeNow(world.database, project_id)
    expect((await world.ended(refused)).state).toBe('running')
  })
})

test("the history names CloudDC's id of each call that was answered", async () => {
  const project_id = world.newProject()
  answerOnce(project_id, { status: 500, body: { error_code: 'iMetal.0099', error_msg: 'no' } })
  answerOnce(project_id, { status: 404, body: '<html>' })
  const key = await world.order({ project_id })
  await world.statusWhen(key, ({ attempts, state }) => expect([attempts, state]).toEqual([1, 'queued']))
  await eventually(async () => {
    await probeNow(world.database, project_id)
    expect((await world.statusOf(key)).state).toBe('running')
  })
  const attempts = (await world.historyOf(key)).filter((entry) => entry.kind === 'attempt')
  expect(attempts.map(({ state }) => state)).toEqual(['void', 'not_created', 'created'])
  expect(attempts.map((attempt) => attempt.upstream_request_id)).toEqual(
    world.calls(project_id).map((call) => call.request_id),
  )
})

test('a wrong base path ends none of many orders, and they go on at the right one', async () => {
  const own = await createAppWorld()
  try {
    const wrong = await own.startApp({
      CLOUDDC_ENDPOINT: `${own.simulator.url}/wrong`,
      RATE_LIMIT_BURST: '10',
    })
    const keys = await Promise.all(Array.from({ length: 40 }, () => own.order({ project_id: 'p' })))
    for (const key of keys) {
      const waiting = await own.statusWhen(key, (one) => expect(one.waiting?.reason).toBe('misconfigured'))
      expect(waiting).toMatchObject({ state: 'queued', attempts: 0, error: null })
    }
    await wrong.stop()
    const right = await own.startApp()
    await probeNow(own.database, 'p')
    await eventually(async () => {
      const { body } = await own.get<{ requests: StatusReply[] }>('/v1/p/provision-requests', right.url)
      expect(body.requests.map(({ state }) => state)).toEqual(keys.map(() => 'running'))
    })
    expect(own.creations('p')).toHaveLength(40)
  } finally {
    await own.close()
  }
})

describe('a token that CloudDC refuses', () => {
  test('costs no attempt, and work goes on once the file holds a good one', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'clouddc-token-'))
    const file = join(folder, 'token')
    await writeFile(file, 'stale-token\n')
    const own = await createAppWorld({ simulator: { authTokens: ['fresh-token'] } })
    try {
      const app = await own.startApp({
        CLOUDDC_AUTH_TOKEN: undefined,
        CLOUDDC_AUTH_TOKEN_FILE: file,
        // A reading would meet the refusal before the first order does.
        PREFLIGHT: 'off',
      })
      const key = await own.order({ project_id: 'p' })
      const waiting = await own.statusWhen(key, (status) =>
        expect(status.waiting?.reason).toBe('unauthorized'),
      )
      expect(waiting).toMatchObject({ state: 'queued', attempts: 0 })
      const other = await own.order({ project_id: 'p' })
      await writeFile(file, 'fresh-token\n')
      for (const each of [key, other]) {
        expect(await own.ended(each)).toMatchObject({ state: 'running', attempts: 1 })
      }
      expect(own.creations('p')).toHaveLength(2)
      const refused = own.calls('p').filter((call) => call.status === 401)
      expect(refused.length).toBeGreaterThan(0)
      expect(app.log()).not.toMatch(/stale-token|fresh-token/)
      const lines = app
        .log()
        .split('\n')
        .filter((line) => /batch-create|calls to CloudDC/.test(line))
        .map((line) => JSON.parse(line))
      expect(lines).toMatchObject([
        { endpoint: `${own.simulator.url}/`, credentials: { default: 'token file' } },
        {
          msg: 'batch-create: failing, will keep trying',
          projectId: 'p',
          cause: 'unauthorized',
          httpStatus: 401,
        },
        { msg: 'batch-create: works again', projectId: 'p', failures: refused.length },
      ])
    } finally {
      await own.close()
      await rm(folder, { recursive: true })
    }
  })
})
