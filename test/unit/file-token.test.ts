import { mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { CallToAuthenticate } from '../../src/clouddc/auth/auth.ts'
import { createFileToken } from '../../src/clouddc/auth/file-token.ts'
import { createTokenAuth } from '../../src/clouddc/auth/token-auth.ts'
import { authBy } from '../support/auth.ts'

const EXPIRED = { fault: 'expired', date: undefined } as const
const logger = pino({ level: 'silent' })
const CALL: CallToAuthenticate = {
  projectId: 'p',
  method: 'GET',
  path: '/v1/p/instances',
  query: [],
  headers: { host: 'cloud.example' },
  body: new Uint8Array(),
}

let folder: string
let path: string
let now: number

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'file-token-'))
  path = join(folder, 'token')
  now = 0
})

afterEach(() => rm(folder, { recursive: true }))

const open = () => createFileToken({ path, logger, now: () => now })

it('reads the file without the white space around the token', async () => {
  await writeFile(path, ' secret\n')
  expect(await open().current()).toBe('secret')
})

it('sees a change, at most a second late', async () => {
  await writeFile(path, 'first')
  const token = open()
  expect(await token.current()).toBe('first')
  await writeFile(path, 'second')
  now = 999
  expect(await token.current()).toBe('first')
  now = 1000
  expect(await token.current()).toBe('second')
})

it('sees a mounted secret that is swapped by its link', async () => {
  await writeFile(join(folder, 'v1'), 'same-size-1')
  await writeFile(join(folder, 'v2'), 'same-size-2')
  await symlink('v1', path)
  const token = open()
  expect(await token.current()).toBe('same-size-1')
  await symlink('v2', join(folder, 'next'))
  await rename(join(folder, 'next'), path)
  now = 1000
  expect(await token.current()).toBe('same-size-2')
})

it('keeps the last good token while the file is empty or missing', async () => {
  await writeFile(path, 'good')
  const token = open()
  await token.current()
  await writeFile(path, '')
  now = 1000
  expect(await token.current()).toBe('good')
  await rm(path)
  now = 2000
  expect(await token.current()).toBe('good')
  expect(await token.renew()).toBe('good')
  await writeFile(path, 'good again')
  now = 3000
  expect(await token.current()).toBe('good')
})

it('rejects until there has been a token, then has it', async () => {
  const token = open()
  await expect(token.current()).rejects.toThrow('the CloudDC token could not be read')
  await writeFile(path, 'late')
  expect(await token.renew()).toBe('late')
})

it('never repeats in an error what stands in the file', async () => {
  await writeFile(path, 'canary\u0001canary')
  const fault = await open()
    .current()
    .catch((error: unknown) => error)
  expect(fault).toBeInstanceOf(Error)
  expect(String(fault)).not.toContain('canary')
  expect(String((fault as Error).cause)).not.toContain('canary')
})

it('a refusal tells whether the token has changed', async () => {
  await writeFile(path, 'one')
  const auth = authBy({ kind: 'token', token: { file: path } })
  expect(await auth.headersFor(CALL)).toEqual({ 'X-Auth-Token': 'one' })
  expect(await auth.refused('p', { 'X-Auth-Token': 'one' }, EXPIRED)).toBe(false)
  await writeFile(path, 'two')
  expect(await auth.refused('p', { 'X-Auth-Token': 'one' }, EXPIRED)).toBe(true)
  expect(await auth.headersFor(CALL)).toEqual({ 'X-Auth-Token': 'two' })
})

it('renewals at the same moment are one', async () => {
  let renewals = 0
  const source = {
    current: async () => 'a',
    renew: async () => {
      renewals += 1
      return 'b'
    },
  }
  const auth = createTokenAuth({ sourceOf: () => source, logger })
  const used = await auth.headersFor(CALL)
  const refused = () => auth.refused('p', used)
  expect(await Promise.all([refused(), refused(), refused()])).toEqual([true, true, true])
  expect(renewals).toBe(1)
  await refused()
  expect(renewals).toBe(2)
})

it('a renewal that fails changes nothing and does not reject', async () => {
  const source = { current: async () => 'a', renew: () => Promise.reject(new Error('IAM is unreachable')) }
  const auth = createTokenAuth({ sourceOf: () => source, logger })
  expect(await auth.refused('p', await auth.headersFor(CALL))).toBe(false)
  expect(await auth.headersFor(CALL)).toEqual({ 'X-Auth-Token': 'a' })
})

it('a fixed token stays, and must be one', async () => {
  const auth = authBy({ kind: 'token', token: { value: 'fixed' } })
  expect(await auth.headersFor(CALL)).toEqual({ 'X-Auth-Token': 'fixed' })
  expect(await auth.refused('p', await auth.headersFor(CALL), EXPIRED)).toBe(false)
  const broken = authBy({ kind: 'token', token: { value: 'two\nlines' } })
  await expect(broken.headersFor(CALL)).rejects.toThrow('no header may carry')
})
