import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { createJweBox } from '../../src/secrets/jwe-box.ts'
import { buildRequest, CANARY } from '../support/request-builder.ts'

const MAIN = fileURLToPath(new URL('../../src/letter-main.ts', import.meta.url))
const key = randomBytes(32)

const show = (input: string, env: Record<string, string>) =>
  spawnSync(process.execPath, [MAIN], { input, env, encoding: 'utf8' })

test('a letter is shown with SECRET_KEYS alone, without its secrets', async () => {
  const order = JSON.stringify(buildRequest({ spec: { pasword: CANARY } }))
  const body = await createJweBox([{ id: 'k1', key }]).seal(order, 'application/json')
  const { status, stdout, stderr } = show(`${body}\n`, { SECRET_KEYS: `k1:${key.toString('base64')}` })
  expect([status, stderr]).toEqual([0, ''])
  expect(stdout).toContain('order-1')
  expect(stdout).not.toContain(CANARY)
})

test('keys that are missing or malformed are named', () => {
  expect(show('{}', {})).toMatchObject({
    status: 78,
    stderr: expect.stringContaining('SECRET_KEYS: is required'),
  })
  const malformed = show('{}', { SECRET_KEYS: `k1:${CANARY}` })
  expect(malformed).toMatchObject({ status: 78, stderr: expect.stringContaining('must be 32 bytes') })
  expect(malformed.stderr).not.toContain(CANARY)
})
