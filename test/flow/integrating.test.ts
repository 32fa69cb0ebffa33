import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findPythonWith } from '../../dev/python.ts'
import { type AppWorld, createAppWorld } from '../support/app-world.ts'
import { runCommandLine } from '../support/command-line.ts'
import { eventually } from '../support/eventually.ts'
import { programsIn, runProgram } from '../support/page-programs.ts'
import { createProgramFolder } from '../support/program-folder.ts'

/** The programs of docs/integrating.md do what the page says, as they stand there. */

const programs = programsIn('docs/integrating.md')
const python = await findPythonWith('pika')
let world: AppWorld

beforeAll(async () => {
  world = await createAppWorld({ consumers: false })
  await world.startApp()
})
afterAll(() => world.close())

/** The programs in one language, in a folder of their own with the order of the page under another id. */
async function setUp(language: 'ts' | 'py') {
  const folder = await createProgramFolder()
  for (const [file, text] of programs) await folder.write(file, text)
  const order = JSON.parse(programs.get('order.json') ?? '')
  const project = world.newProject()
  const writeOrder = (file: string, changes: object, spec: object = {}) =>
    folder.write(
      file,
      JSON.stringify({ ...order, ...changes, project_id: project, spec: { ...order.spec, ...spec } }),
    )
  const env = { AMQP_URL: world.broker.url, API: world.url(), API_KEY: 'of-no-matter-here' }
  const program = language === 'ts' ? process.execPath : (python ?? '')
  const run = (name: string, ...args: string[]) =>
    runProgram(program, [`${name}.${language}`, ...args], { folder: folder.path, env })
  const listen = async (queue: string) => {
    const consumer = run('consume', queue, project)
    await eventually(() => expect(consumer.lines()).toContain('listening'))
    return consumer
  }
  return { project, folder, writeOrder, run, listen }
}

const LANGUAGES = [
  { language: 'ts', name: 'TypeScript', remedy: '', isMissing: false },
  { language: 'py', name: 'Python', remedy: ' (skipped without pika: python3-pika)', isMissing: !python },
] as const

for (const { language, name, remedy, isMissing } of LANGUAGES) {
  describe.skipIf(isMissing)(`in ${name}${isMissing ? remedy : ''}`, () => {
    test('an order is published, followed, and a copy does nothing', async () => {
      const { project, writeOrder, run, listen } = await setUp(language)
      const consumer = await listen(`follow-${language}`)
      await writeOrder('order.json', { request_id: 'followed' })
      expect(await run('publish', 'order.json').ended).toEqual(['published followed'])
      const states = await run('status', project, 'followed').ended
      expect(states.at(-1)).toMatch(/^running /)

      const duplicates = () => world.metric('intake_messages_total{result="duplicate"}')
      const before = await duplicates()
      await run('publish', 'order.json').ended
      await eventually(async () => expect(await duplicates()).toBe(before + 1))
      await eventually(() => expect(consumer.lines()).toContain('followed: ended, running'))
      const runs = consumer.lines().filter((line) => /^followed: the server \S+ runs$/.test(line))
      expect(runs).toHaveLength(2)
      expect(world.creations(project)).toHaveLength(1)
    })

    test('a rejection is told, with its faults', async () => {
      const { writeOrder, run, listen } = await setUp(language)
      const consumer = await listen(`rejected-${language}`)
      await writeOrder('order.json', { request_id: 'wrong' }, { min_count: 0 })
      await run('publish', 'order.json').ended
      await eventually(() => expect(consumer.lines()).toHaveLength(2))
      const [, told = ''] = consumer.lines()
      expect(told).toMatch(/^wrong: rejected, invalid_request /)
      const detail = JSON.parse(told.slice(told.indexOf('[')))
      expect(detail).toEqual([{ path: 'spec.min_count', message: 'must be a whole number from 1 to 100' }])
      // The page shows the same.
      const shown = /^ {4}(\{"code".*)$/m.exec(readFileSync('docs/integrating.md', 'utf8'))?.[1]
      expect(JSON.parse(shown ?? '')).toEqual({ code: 'invalid_request', detail })
    })

    test('events are replayed: copies to who has seen them, all to who comes late', async () => {
      const { project, writeOrder, run, listen } = await setUp(language)
      const early = await listen(`early-${language}`)
      await writeOrder('order.json', { request_id: 'replayed' })
      await run('publish', 'order.json').ended
      await eventually(() => expect(early.lines()).toContain('replayed: ended, running'))
      const late = await listen(`late-${language}`)

      const replay = async (target: string) => {
        const [, command = ''] =
          /^npm run --silent provisioner -- (.*)$/m.exec(programs.get('replay.sh') ?? '') ?? []
        const words = command
          .replace('my-events', target)
          .replace('project-1', project)
          .match(/"[^"]*"|\S+/g)
        const args = (words ?? []).map((word) => word.replaceAll('"', ''))
        expect(await runCommandLine({ PROVISIONER_URL: world.url() }, args)).toMatchObject({ code: 0 })
      }
      await replay(`early-${language}`)
      const copies = () => early.lines().filter((line) => line.startsWith('a copy of '))
      // One of them was sent twice: at once, to learn whether a queue is bound.
      await eventually(() => expect(copies()).toHaveLength(6))
      await replay(`late-${language}`)
      await eventually(() => expect(late.lines()).toContain('replayed: ended, running'))
      expect(late.lines().filter((line) => line.startsWith('a copy'))).toHaveLength(1)

      const later = await listen(`later-${language}`)
      const [begun] = await run('replay', `later-${language}`, project, '2026-01-01T00:00:00Z').ended
      expect(begun).toMatch(/^run \S+$/)
      await eventually(() => expect(later.lines()).toContain('replayed: ended, running'))
    })
  })
}

test('the programs in TypeScript have sound types', async () => {
  const { folder } = await setUp('ts')
  await folder.compile()
})

test('what the API says of itself is what stands in schemas/', async () => {
  const { body } = await world.get('/openapi.json')
  expect(body).toEqual(JSON.parse(readFileSync('schemas/openapi.json', 'utf8')))
})
