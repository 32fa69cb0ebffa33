import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createAuth } from '../../src/clouddc/auth/create-auth.ts'
import { createCredentialBook } from '../../src/clouddc/auth/credential-book.ts'
import { parseCredentials } from '../../src/clouddc/auth/credentials-file.ts'
import { createIamTransport } from '../../src/clouddc/iam/iam-call.ts'

const HOME = { endpoint: 'http://127.0.0.1:9', region: null, iamEndpoint: null }
const OPTIONS = { environment: null, insecure: false }

let folder: string
let path: string
let now: number
let lines: string[]

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'credential-book-'))
  path = join(folder, 'credentials.json')
  now = 0
  lines = []
})

afterEach(() => rm(folder, { recursive: true }))

const fileWith = (a: string, b: string) =>
  JSON.stringify({
    version: 1,
    credentials: { a: { kind: 'token', token: a }, b: { kind: 'token', token: b } },
    default: 'a',
    projects: { pb: { credential: 'b' } },
  })

const callOf = (projectId: string) => ({
  projectId,
  method: 'GET' as const,
  path: '/v1/p/instances',
  query: [],
  headers: { host: 'cloud.example' },
  body: new Uint8Array(),
})

async function open(text: string) {
  await writeFile(path, text)
  const logger = pino({ level: 'info' }, { write: (line) => void lines.push(line) })
  const first = parseCredentials(text, OPTIONS)
  const book = createCredentialBook({ ...OPTIONS, path, first, logger, now: () => now })
  const auth = createAuth({ book, home: HOME, transport: createIamTransport(), logger })
  return {
    auth,
    tokenOf: async (projectId: string) => (await auth.headersFor(callOf(projectId)))['X-Auth-Token'],
  }
}

it('each project has its own credential, and a change is followed', async () => {
  const { auth, tokenOf } = await open(fileWith('one', 'two'))
  expect([await tokenOf('pa'), await tokenOf('pb')]).toEqual(['one', 'two'])
  expect([auth.credentialOf('pa'), auth.credentialOf('pb')]).toEqual(['a', 'b'])
  await writeFile(path, fileWith('one', 'three!'))
  now = 1000
  expect([await tokenOf('pa'), await tokenOf('pb')]).toEqual(['one', 'three!'])
})

it('a file with faults leaves the last good one in force, and is told of once, without a secret', async () => {
  const { tokenOf } = await open(fileWith('one', 'two'))
  await tokenOf('pa')
  await writeFile(path, '{"version":1,"credentials":{"a":{"kind":"token","token":"Canary word"}}}')
  for (now = 1000; now <= 5000; now += 1000) expect(await tokenOf('pb')).toBe('two')
  const errors = lines.filter((line) => JSON.parse(line).level >= 50)
  expect(errors).toHaveLength(1)
  expect(errors[0]).toContain('credentials.a.token')
  expect(errors[0]).toContain('what it held before stays in force')
  // Another mistake is other news.
  await writeFile(path, fileWith('one', 'two').replace('"default":"a"', '"default":"Misspelt"'))
  for (now = 6000; now <= 8000; now += 1000) expect(await tokenOf('pb')).toBe('two')
  expect(lines.filter((line) => line.includes('default: there is no such credential'))).toHaveLength(1)
  await writeFile(path, fileWith('one', 'two'))
  now = 9000
  await tokenOf('pa')
  expect(lines.at(-1)).toContain('can be read again')
  expect(lines.join()).not.toContain('Canary')
  await writeFile(path, fileWith('new', 'two'))
  now = 10_000
  expect(await tokenOf('pa')).toBe('new')
})

it('a project without a credential makes no call', async () => {
  const { auth, tokenOf } = await open('{"version":1,"credentials":{"a":{"kind":"token","token":"one"}}}')
  await expect(tokenOf('pa')).rejects.toThrow('the project has no credential')
  expect(await auth.refused('pa', {}, { fault: 'expired', date: undefined })).toBe(false)
  expect(auth.credentialOf('pa')).toBe('none')
})
