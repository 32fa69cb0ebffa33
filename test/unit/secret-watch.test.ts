import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import type { Credential, Credentials } from '../../src/clouddc/auth/credentials.ts'
import { createSecretWatch } from '../../src/clouddc/auth/secret-watch.ts'

const keys = (secret: string): Credential => ({
  kind: 'aksk',
  accessKey: { value: 'AK' },
  secretKey: { value: secret },
  securityToken: null,
})
const AGENCY: Credential = { kind: 'agency', of: 'main', domain: 'd', agency: 'a' }

function watch(byId: Readonly<Record<string, Credential>>) {
  const world = { byId, now: 0 }
  const credentials = (): Credentials => ({
    byId: new Map(Object.entries(world.byId)),
    defaultId: null,
    projects: new Map(),
    regions: new Map(),
  })
  const changed = createSecretWatch({
    book: { current: async () => credentials(), known: credentials },
    logger: pino({ level: 'silent' }),
    now: () => world.now,
  })
  return { world, changed }
}

test('another secret is told of once, also to an agency that it acts for; new and removed ones are not', async () => {
  const { world, changed } = watch({ main: keys('one'), agency: AGENCY, lab: keys('lab') })
  expect(await changed()).toEqual([])
  expect(await changed()).toEqual([])
  world.byId = { main: keys('two'), agency: AGENCY, fresh: keys('fresh') }
  expect(await changed()).toEqual(['main', 'agency'])
  expect(await changed()).toEqual([])
})

test('a file that holds another secret is told of', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'secret-watch-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const file = join(folder, 'token')
  const { world, changed } = watch({ main: { kind: 'token', token: { file } } })
  await writeFile(file, 'one')
  await changed()
  await writeFile(file, 'another')
  world.now += 1000
  expect(await changed()).toEqual(['main'])
})
