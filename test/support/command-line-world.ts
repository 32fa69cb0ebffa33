import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { accessFile } from './access.ts'
import { createAppWorld } from './app-world.ts'
import { startCommandLine } from './command-line.ts'

const KEY = 'operator-of-no-importance'
/** Of a caller who may read one project. */
export const READER = { key: 'reader-of-one-project', project: 'project-1' }

/** The service with access switched on, and the command line with an operator's key. */
export async function createCommandLineWorld() {
  const folder = await mkdtemp(join(tmpdir(), 'command-line-'))
  const file = join(folder, 'access.json')
  const keys = [
    { key: KEY, roles: ['read', 'cancel', 'operate', 'metrics'] as const },
    { key: READER.key, roles: ['read'] as const, projects: [READER.project] },
  ]
  await writeFile(file, accessFile({ keys }))
  const world = await createAppWorld({ settings: { API_ACCESS_FILE: file } })
  await world.startApp()
  const start = (args: readonly string[], changes: Record<string, string> = {}, input?: string) => {
    const settings = { PROVISIONER_URL: world.url(), PROVISIONER_TOKEN: KEY, AMQP_URL: world.broker.url }
    return startCommandLine({ ...settings, ...changes }, args, input === undefined ? {} : { input })
  }
  return {
    ...world,
    start,
    /** With the key of an operator, unless `changes` has another one. */
    run: (...given: Parameters<typeof start>) => start(...given).ended,
    /** The path of a file with this text. */
    fileOf: async (name: string, text: string) => {
      const path = join(folder, name)
      await writeFile(path, text)
      return path
    },
    close: async () => {
      await world.close()
      await rm(folder, { recursive: true })
    },
  }
}
