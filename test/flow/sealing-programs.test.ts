import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findPythonWith } from '../../dev/python.ts'
import { type AppWorld, createAppWorld } from '../support/app-world.ts'
import { programsIn, runProgram } from '../support/page-programs.ts'
import { createProgramFolder } from '../support/program-folder.ts'
import { buildRequest, CANARY } from '../support/request-builder.ts'

/** The programs of docs/sealing-passwords.md do what the page says, as they stand there. */

const programs = programsIn('docs/sealing-passwords.md')
const python = await findPythonWith('jwcrypto')
let world: AppWorld

beforeAll(async () => {
  world = await createAppWorld({ settings: { PASSWORDS: 'sealed_only' } })
  await world.startApp()
})
afterAll(() => world.close())

const LANGUAGES = [
  { language: 'ts', name: 'TypeScript', remedy: '', program: process.execPath },
  {
    language: 'py',
    name: 'Python',
    remedy: python ? '' : ' (skipped without jwcrypto: python3-jwcrypto)',
    program: python,
  },
] as const

for (const { language, name, remedy, program } of LANGUAGES) {
  describe.skipIf(program === undefined)(`in ${name}${remedy}`, () => {
    test('an order is sealed, and taken where plain ones are refused', async () => {
      const folder = await createProgramFolder()
      for (const [file, text] of programs) await folder.write(file, text)
      const key = { projectId: world.newProject(), requestId: `sealed-${language}` }
      const order = buildRequest({ project_id: key.projectId, request_id: key.requestId })
      await folder.write('order.json', JSON.stringify(order))

      const args = [`seal.${language}`, 'order.json']
      const env = { API: world.url() }
      const [printed = ''] = await runProgram(program ?? '', args, { folder: folder.path, env }).ended
      expect(printed).not.toContain(CANARY)
      await world.publish(order, { messageId: key.requestId })
      expect(await world.deadLetterOf(key.requestId)).toMatchObject({ code: 'invalid_request' })
      await world.publish(JSON.parse(printed))
      await world.allEventsOf(key)
      expect((await world.statusOf(key)).state).toBe('running')
    })
  })
}

test('the program in TypeScript has sound types', async () => {
  const folder = await createProgramFolder()
  await folder.write('seal.ts', programs.get('seal.ts') ?? '')
  await folder.compile()
})
