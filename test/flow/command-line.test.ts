import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../../dev/servers/free-port.ts'
import { runCommandLine } from '../support/command-line.ts'
import { createCommandLineWorld, READER } from '../support/command-line-world.ts'
import { eventually } from '../support/eventually.ts'

/** The command line as a process, against the whole service and CloudDC's simulator. */

let world: Awaited<ReturnType<typeof createCommandLineWorld>>
let run: (typeof world)['run']

beforeAll(async () => {
  world = await createCommandLineWorld()
  run = world.run
})
afterAll(() => world.close())

describe('a request', () => {
  test('is followed to its end, shown, listed, and told with all that happened', async () => {
    const project = world.newProject()
    const { requestId } = await world.order({ project_id: project, spec: { min_count: 2 } })
    const key = { projectId: project, requestId }
    await world.allEventsOf(key)
    const watched = await run(['watch', project, requestId])
    expect(watched).toMatchObject({ code: 0, stderr: '' })
    expect(watched.stdout.trimEnd().split('\n').at(-1)).toMatch(/^\S+Z {2}running, 2 of 2 servers run$/)

    const shown = await run(['status', project, requestId])
    expect(shown).toMatchObject({ code: 0, stderr: '' })
    expect(shown.stdout).toMatch(/^state +running$/m)
    expect(shown.stdout).toMatch(/^servers +2 ordered, 2 created, 2 running, 0 failed$/m)

    const listed = await run(['list', project, '--state', 'running,failed', '--created-after', '1h'])
    expect(listed.stdout.split('\n').find((line) => line.startsWith(requestId))).toMatch(/running +2\/2/)

    const history = await run(['history', `--project=${project}`, `--request=${requestId}`])
    expect(history.stdout).toContain('queued -> dispatching')
    expect(history.stdout).toMatch(/call 1: created +claimed +http_status=202/)
  })

  test('is printed as the API has it', async () => {
    const project = world.newProject()
    const { requestId } = await world.order({ project_id: project })
    await world.allEventsOf({ projectId: project, requestId })
    const { stdout } = await run(['status', project, requestId, '--json'])
    expect(JSON.parse(stdout)).toMatchObject({ project_id: project, request_id: requestId, state: 'running' })
    expect(stdout.trimEnd()).not.toContain('\n')
  })

  test('that has left the queue is not cancelled, nor resolved without a doubt', async () => {
    const project = world.newProject()
    const { requestId } = await world.order({ project_id: project })
    await world.allEventsOf({ projectId: project, requestId })
    const late = 'only a queued one can be cancelled'
    for (const option of [[], ['--dry-run']])
      expect(await run(['cancel', project, requestId, ...option])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining(late),
      })
    const void_ = ['resolve', project, requestId, '--void', '--reason', 'nothing there in the console']
    expect(await run(void_)).toMatchObject({ code: 1 })
  })

  test('that is not there is told so', async () => {
    for (const verb of ['status', 'watch', 'history', 'cancel'])
      expect(await run([verb, 'nobodys-project', 'order-1'])).toMatchObject({
        code: 3,
        stdout: '',
        stderr: expect.stringContaining('has no provision request order-1'),
      })
  })
})

describe('where something is wrong', () => {
  test('a service that goes away is waited for by who follows a request', async () => {
    const project = world.newProject()
    const PORT = String(await freePort())
    const api = await world.startApp({ PORT, ROLES: 'api' })
    const reason = ['--reason', 'tried out by a test']
    await run(['pause', project, ...reason])
    const { requestId } = await world.order({ project_id: project })
    await eventually(async () => expect(await run(['status', project, requestId])).toMatchObject({ code: 0 }))
    const watching = world.start(['status', project, requestId, '--watch', '--every', '1s', '--json'], {
      PROVISIONER_URL: api.url,
    })
    await eventually(() => expect(watching.written().stdout).toContain('"state":"queued"'))
    await api.stop()
    await eventually(() => expect(watching.written().stderr).toContain('cannot be reached'))
    await world.startApp({ PORT, ROLES: 'api' })
    await run(['resume', project, ...reason])
    const { code, stdout } = await watching.ended
    expect(code).toBe(0)
    expect(JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({ state: 'running' })
  })

  test('a service that does not answer is named, with what to do', async () => {
    const { code, stderr } = await run(['list', 'p'], { PROVISIONER_URL: 'http://127.0.0.1:1' })
    expect(code).toBe(1)
    expect(stderr).toMatch(/^provisioner: the service at http:\/\/127\.0\.0\.1:1 cannot be reached: /)
    expect(stderr).toMatch(/^ {2}-> .*PROVISIONER_URL/m)
  })

  test('a credential that is missing, unknown or of another role is told apart', async () => {
    const PROVISIONER_URL = world.url()
    const none = await runCommandLine({ PROVISIONER_URL }, ['list', 'project-1'])
    expect(none).toMatchObject({ code: 1, stderr: expect.stringContaining('-> set PROVISIONER_TOKEN') })
    const unknown = await run(['list', 'project-1'], { PROVISIONER_TOKEN: 'nobodys' })
    expect(unknown).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('PROVISIONER_TOKEN is not known'),
    })
    const reader = { PROVISIONER_TOKEN: READER.key }
    expect(await run(['list', READER.project], reader)).toMatchObject({ code: 0 })
    expect(await run(['list', 'another'], reader)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('role read'),
    })
    expect(await run(['audit'], reader)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('role operate'),
    })
  })

  test('an error is JSON where output is', async () => {
    const { code, stdout, stderr } = await run(['status', 'nobodys-project', 'order-1', '--json'])
    expect([code, stdout]).toEqual([3, ''])
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'not_found' } })
  })

  test('what only the service can judge is wrong use as well', async () => {
    const { code, stderr } = await run(['list', 'p', '--state', 'no-state'])
    expect([code, stderr]).toEqual([2, expect.stringContaining('must be one or more of queued')])
  })
})

test('it is called by npm, and lists all verbs', async () => {
  const { stdout } = await promisify(execFile)('npm', ['run', '--silent', 'provisioner', '--', '--help'])
  expect(stdout).toMatch(/^ {2}status <project> <request> +shows a request/m)
})
