import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTestBroker } from '../support/broker.ts'
import { startCommandLine } from '../support/command-line.ts'
import { createCommandLineWorld } from '../support/command-line-world.ts'
import { eventually } from '../support/eventually.ts'
import { buildRequest } from '../support/request-builder.ts'
import { createTcpProxy } from '../support/tcp-proxy.ts'

/** What the command line publishes, hears and changes, against the whole service and CloudDC's simulator. */

let world: Awaited<ReturnType<typeof createCommandLineWorld>>
let run: (typeof world)['run']

beforeAll(async () => {
  world = await createCommandLineWorld()
  run = world.run
})
afterAll(() => world.close())

const REASON = ['--reason', 'tried out by a test']
const lineOf = (project_id: string, request_id: string, changes: object = {}) =>
  JSON.stringify(buildRequest({ project_id, request_id, ...changes }))
const linesOf = (text: string) => text.trimEnd().split('\n')

describe('publish', () => {
  test('sends a file of orders, waits for their ends, and does nothing when it is run again', async () => {
    const project = world.newProject()
    const ids = Array.from({ length: 30 }, (_, n) => `many-${n}`)
    const file = await world.fileOf('many.jsonl', ids.map((id) => lineOf(project, id)).join('\n'))
    for (let times = 0; times < 2; times += 1) {
      const { code, stdout } = await run(['publish', file, '--wait', '--json'])
      const lines = linesOf(stdout).map((line) => JSON.parse(line))
      expect(code).toBe(0)
      expect(lines.pop()).toEqual({ published: 30, ended_well: 30 })
      expect(lines.map(({ request_id }) => request_id).toSorted()).toEqual(ids.toSorted())
    }
    expect(world.creations(project)).toHaveLength(30)
  })

  test('tells of orders that end otherwise: failed, or rejected for another one under their id', async () => {
    const project = world.newProject()
    const lacking = { spec: { placement: { server_id_set: ['no-such-server'] } } }
    // One that has not ended: of one that has, the copy's rejection and its status would run a race.
    const paused = world.newProject()
    expect(await run(['pause', paused, ...REASON])).toMatchObject({ code: 0 })
    await run(['publish'], {}, lineOf(paused, 'taken'))
    await eventually(async () => expect(await run(['status', paused, 'taken'])).toMatchObject({ code: 0 }))
    const orders = [lineOf(paused, 'taken', { priority: 5 }), lineOf(project, 'lacking', lacking)]
    const { code, stdout } = await run(['publish', '-', '--wait'], {}, orders.join('\n'))
    expect(code).toBe(1)
    expect(stdout).toMatch(/^\S+ +taken +rejected +idempotency_conflict/m)
    expect(stdout).toMatch(/^\S+ +lacking +failed/m)
    expect(linesOf(stdout).at(-1)).toBe('2 orders published, 0 ended well')
  })

  test('seals passwords, which the service opens', async () => {
    const project = world.newProject()
    const { code } = await run(['publish', '--seal', '--wait', '--json'], {}, lineOf(project, 'sealed'))
    expect(code).toBe(0)
    // The same order with its password in the open is a copy of it.
    expect(await run(['publish', '--wait'], {}, lineOf(project, 'sealed'))).toMatchObject({ code: 0 })
    expect(world.creations(project)).toHaveLength(1)
  })

  test('sends nothing where one line is wrong, or on a dry run', async () => {
    const project = world.newProject()
    const wrong = [lineOf(project, 'right'), lineOf(project, 'wrong', { cuont: 1 })].join('\n')
    const refused = await run(['publish'], {}, wrong)
    expect(refused).toMatchObject({ code: 1, stdout: '' })
    expect(refused.stderr).toContain('nothing is published:\n  line 2: cuont unknown key')
    const dry = await run(['publish', '--dry-run'], {}, lineOf(project, 'right'))
    expect(dry).toMatchObject({ code: 0, stdout: '1 order would be published, without a fault\n' })
    const after = await run(['publish', '--wait', '--json'], {}, lineOf(project, 'last'))
    expect(after.code).toBe(0)
    expect(JSON.parse((await run(['list', project, '--json'])).stdout).requests).toHaveLength(1)
  })

  test('tells what is wrong with the broker', async () => {
    const order = lineOf('p', 'r')
    const away = await run(['publish'], { AMQP_URL: 'amqp://127.0.0.1:1' }, order)
    expect(away).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/the broker cannot be reached: .*\n {2}-> .*AMQP_URL/),
    })
    expect(await run(['publish'], { AMQP_URL: '' }, order)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('AMQP_URL is not set'),
    })
    expect(await run(['publish'], { AMQP_URL: 'http://x' }, order)).toMatchObject({ code: 2 })
  })
})

describe('a broker', () => {
  test('where the service has never run takes no order, and tells why', async () => {
    await using empty = await createTestBroker()
    const { code, stderr } = await run(['publish'], { AMQP_URL: empty.url }, lineOf('p', 'r'))
    expect(code).toBe(1)
    expect(stderr).toMatch(/^0 of 1 confirmed; running this again is safe$/m)
    expect(stderr).toMatch(/no exchange 'provision'.*\n {2}-> has the service ever run/)
    const tail = await run(['events', 'tail'], { AMQP_URL: empty.url })
    expect(tail).toMatchObject({ code: 1, stderr: expect.stringContaining('has the service ever run') })
  })

  test('that is lost ends the view of events, which says so', async () => {
    const { hostname: host, port } = new URL(world.broker.url)
    const proxy = await createTcpProxy({ target: { host, port: Number(port) } })
    world.defer(proxy.close)
    const tail = world.start(['events', 'tail'], { AMQP_URL: proxy.through(world.broker.url) })
    await eventually(() => expect(tail.written().stderr).toContain('listening at'))
    proxy.cut()
    expect(await tail.ended).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('the link to the broker is lost'),
    })
  })
})

describe('events', () => {
  test('are shown as they come, and again on demand', async () => {
    const project = world.newProject()
    const args = ['events', 'tail', '--project', project, '--count', '4', '--json']
    const tail = startCommandLine({ AMQP_URL: world.broker.url }, args)
    await eventually(() => expect(tail.written().stderr).toContain('listening at'))
    const key = await world.order({ project_id: project })
    const { code, stdout } = await tail.ended
    expect(code).toBe(0)
    const kinds = ['request.accepted', 'request.dispatched', 'instance.running', 'request.completed']
    expect(linesOf(stdout).map((line) => JSON.parse(line).type)).toEqual(
      kinds.map((kind) => `provisioner.${kind}`),
    )

    const again = await run(['events', 'replay', '--from', '1h', '--project', project, '--json', ...REASON])
    expect(again).toMatchObject({ code: 0, stdout })
    expect(again.stderr).toMatch(/^4 events$/m)
    const chosen = ['--request', key.requestId, '--kinds', 'instance.running']
    const one = await run(['events', 'replay', '--from', '1h', '--project', project, ...chosen, ...REASON])
    expect(linesOf(one.stdout)).toEqual([
      expect.stringMatching(`instance.running +${project} ${key.requestId} +instance_id=`),
    ])
  })

  test('without a queue for a target are not sent', async () => {
    await world.allEventsOf(await world.order({ project_id: world.newProject() }))
    const args = ['events', 'replay', '--from', '1h', '--target', 'nobody', ...REASON]
    expect(await run(args)).toMatchObject({ code: 1, stderr: expect.stringContaining('no queue is bound') })
  })
})

describe('an operator', () => {
  test('pauses a project, sees it wait, and resumes it', async () => {
    const project = world.newProject()
    const dry = await run(['pause', project, '--dry-run', ...REASON])
    expect(dry).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`/operations/projects/${project}/pause`),
    })
    expect(await run(['pause', project, '--until', '2h', ...REASON])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(`^${project}: paused until 20`),
    })
    const { requestId } = await world.order({ project_id: project })
    await eventually(async () =>
      expect((await run(['status', project, requestId])).stdout).toMatch(/waits for +paused/),
    )
    expect((await run(['overview', project])).stdout).toMatch(/paused +by an operator/)
    expect(await run(['resume', project, ...REASON])).toMatchObject({ code: 0 })
    expect(await run(['watch', project, requestId])).toMatchObject({ code: 0 })
  })

  test('sets a limit, shows it and takes it back; the audit tells', async () => {
    const project = world.newProject()
    const set = await run(['limit', project, '--per-second', '3', '--burst', '7', ...REASON])
    expect(set).toMatchObject({
      code: 0,
      stdout: `the limit of ${project} is 3 per second, 7 at once, until it is removed\n`,
    })
    await world.allEventsOf(await world.order({ project_id: project }))
    expect((await run(['limit', project])).stdout).toContain('3 calls per second, 7 at once')
    expect(await run(['limit', project, '--remove', ...REASON])).toMatchObject({ code: 0 })
    const { stdout } = await run(['audit', '--limit', '2'])
    expect(linesOf(stdout).filter((line) => line.includes(project))).toHaveLength(2)
    expect(stdout).toContain('tried out by a test')
  })

  test('lists dead letters, and has them replayed', async () => {
    const project = world.newProject()
    await world.publish(
      { ...buildRequest({ project_id: project, request_id: 'wrong' }), cuont: 1 },
      { messageId: 'letter' },
    )
    await world.deadLetterOf('letter')
    const listed = await run(['dead-letters', 'list', '--code', 'invalid_request'])
    expect(listed.stdout).toMatch(new RegExp(`invalid_request +${project} +wrong .*cuont unknown key`))
    const replayed = await run(['dead-letters', 'replay', '--code', 'invalid_request', '--json', ...REASON])
    expect(replayed.code).toBe(0)
    const [begun, ended] = linesOf(replayed.stdout).map((line) => JSON.parse(line))
    expect([begun.kind, ended.state]).toEqual(['dead_letters', 'done'])
    expect((await run(['run', ended.id, '--watch'])).stdout).toMatch(/^state +done, /m)
  })

  test('sees how the installation stands', async () => {
    const { code, stdout } = await run(['overview'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^replicas +1 \(\S+\) intake,/m)
    expect(JSON.parse((await run(['overview', '--json'])).stdout)).toHaveProperty('troubles')
  })

  test('asks the doctor, with the settings of the service', async () => {
    const project = world.newProject()
    const { code, stdout } = await run(['doctor', project], world.environment)
    expect({ code, stdout }).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`project ${project} would work`),
    })
    expect(await run(['doctor', project])).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('DATABASE_URL'),
    })
  })
})
