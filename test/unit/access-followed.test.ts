import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createAccess, followRules } from '../../src/access/access.ts'
import { parseAccessFile } from '../../src/access/access-file.ts'
import { createLogger } from '../../src/logger.ts'
import { accessFile, bearer, TEST_SEALER, type TestKey } from '../support/access.ts'
import { REQUEST_PATH, setUpApi } from '../support/api-world.ts'
import { eventually } from '../support/eventually.ts'

const ANN: TestKey = { id: 'ann', key: 'ann-key-0123456789' }
const BOB: TestKey = { id: 'bob', key: 'bob-key-0123456789' }

/** The API by a file that the test writes. */
function setUp(keys: readonly TestKey[]) {
  const folder = mkdtempSync(join(tmpdir(), 'access-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'access.json')
  /** As configuration is deployed: written anew, and put into place. */
  const write = (text: string) => {
    writeFileSync(`${path}.new`, text)
    renameSync(`${path}.new`, path)
  }
  write(accessFile({ keys }))
  const lines: string[] = []
  const logger = createLogger({ level: 'info', destination: { write: (line) => lines.push(line) } })
  const first = parseAccessFile(accessFile({ keys }))
  const access = createAccess({ rules: followRules({ path, first, logger }), sealer: TEST_SEALER, logger })
  const { api } = setUpApi({}, { access, requestsPerSecond: 1e6 })
  const ask = async ({ key }: TestKey) =>
    (await api.app.inject({ url: REQUEST_PATH, headers: bearer(key) })).statusCode
  return { path, write, ask, log: () => lines.join('') }
}

describe('the access file', () => {
  test('is followed: keys come and go, and what a key may changes, without a restart', async () => {
    const { write, ask, log } = setUp([ANN])
    expect([await ask(ANN), await ask(BOB)]).toEqual([200, 401])
    write(accessFile({ keys: [BOB] }))
    await eventually(async () => expect([await ask(ANN), await ask(BOB)]).toEqual([401, 200]))
    write(accessFile({ keys: [{ ...BOB, projects: ['q'] }] }))
    await eventually(async () => expect(await ask(BOB)).toBe(403))
    write(accessFile({ keys: [{ ...BOB, roles: [] }] }))
    await eventually(async () => expect(await ask(BOB)).toBe(403))
    write(accessFile({ keys: [{ ...BOB, expires_at: '2020-01-01T00:00:00Z' }] }))
    await eventually(async () => expect(await ask(BOB)).toBe(401))
    expect(log()).toContain('the access to the API has changed')
  })

  test('that has faults later leaves the last good one in force, and the log says why, once', async () => {
    const { path, write, ask, log } = setUp([ANN])
    expect(await ask(ANN)).toBe(200)
    const toldOf = (fault: string) =>
      eventually(async () => {
        expect([await ask(ANN), await ask(BOB)]).toEqual([200, 401])
        expect(log()).toContain(fault)
      })
    write('{"keys":[')
    await toldOf('is not JSON')
    write(accessFile({ keys: [{ ...BOB, id: 'Not An Id' }] }))
    expect(await ask(ANN)).toBe(200)
    rmSync(path)
    expect(await ask(ANN)).toBe(200)
    write(accessFile({ keys: [BOB] }))
    await eventually(async () => expect([await ask(ANN), await ask(BOB)]).toEqual([401, 200]))
    for (const line of log().trim().split('\n')) {
      expect(line).not.toContain('0123456789')
      const { level, msg } = JSON.parse(line) as { level: string; msg: string }
      if (msg.includes('cannot be read')) expect(level).toBe('error')
    }
  })
})

describe('a key', () => {
  test('ends at its time', async () => {
    let now = Date.parse('2026-11-26T11:59:59Z')
    const rules = parseAccessFile(accessFile({ keys: [{ ...ANN, expires_at: '2026-11-26T12:00:00Z' }] }))
    const logger = createLogger({ level: 'silent' })
    const access = createAccess({ rules: async () => rules, sealer: TEST_SEALER, logger, now: () => now })
    expect((await access.identify(ANN.key))?.caller.id).toBe('key:ann')
    now += 1000
    expect(await access.identify(ANN.key)).toBeNull()
  })

  test('is no prefix, suffix or digest of itself', async () => {
    const { ask } = setUp([ANN])
    const digest = /"sha256":"(\w+)"/.exec(accessFile({ keys: [ANN] }))?.[1] ?? ''
    for (const key of [
      ANN.key.slice(1),
      ANN.key.slice(0, -1),
      `${ANN.key}0`,
      ANN.key.toUpperCase(),
      digest,
      '',
    ])
      expect(await ask({ key }), key).toBe(401)
  })
})
