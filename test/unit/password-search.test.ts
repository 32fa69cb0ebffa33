import fc from 'fast-check'
import { expect, test } from 'vitest'
import { passwordFaults } from '../../src/contracts/password.ts'
import { createPasswordTracer } from '../../src/secrets/digest.ts'
import { mayHoldPassword } from '../../src/secrets/password-search.ts'

const owner = { projectId: 'p', requestId: 'order-1' }
const tracer = createPasswordTracer([{ id: 'k', key: Buffer.alloc(32, 7) }])
const mayHold = (text: string, { projectId, requestId }: typeof owner, stored: string) =>
  mayHoldPassword(text, (password) => tracer.mayMatch({ projectId, requestId, password }, stored))

const html = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
const spellings: readonly ((password: string) => string)[] = [
  (password) => password,
  (password) => JSON.stringify(password).slice(1, -1),
  encodeURIComponent,
  html,
]

const passwords = fc
  .string({ unit: 'grapheme', minLength: 8, maxLength: 26 })
  .map((text) => text.replace(/[\p{Cc}\s\\%&]/gu, 'x'))
  .chain((text) => fc.constantFrom(text, `Ab1${text.slice(3)}`))
  .filter((text) => text.isWellFormed() && passwordFaults(text).length === 0)

test('a password is found wherever it stands, in every spelling', async () => {
  await fc.assert(
    fc.asyncProperty(
      passwords,
      fc.string({ maxLength: 30 }),
      fc.string({ maxLength: 30 }),
      fc.constantFrom(...spellings),
      async (password, before, after, spell) => {
        const stored = tracer.trace({ ...owner, password })
        const quoted = spell(password)
        expect(await mayHold(quoted, owner, stored)).toBe(true)
        if (quoted === password) expect(await mayHold(before + quoted + after, owner, stored)).toBe(true)
      },
    ),
  )
})

test("neither another password nor another request's is taken for it", async () => {
  const stored = tracer.trace({ ...owner, password: 'Passw0rd!' })
  for (const text of ['', 'Passw0rd', 'Passw0rd?', 'server 7C is broken: E-4711 at 10.0.0.1'])
    expect(await mayHold(text, owner, stored)).toBe(false)
  const other = { ...owner, requestId: 'order-2' }
  expect(await mayHold('Passw0rd!', other, stored)).toBe(false)
})

test('a trace whose key is gone leaves it open, and that is said', async () => {
  const stored = 'old:AAAA'
  expect(await mayHold('Some words, 12 of them', owner, stored)).toBe(true)
  expect(await mayHold('no password', owner, stored)).toBe(false)
})

test('no more parts of a text are digested than a password may be', async () => {
  let digests = 0
  const counting = () => {
    digests += 1
    return false
  }
  await mayHoldPassword('aB3'.repeat(333), counting)
  expect(digests).toBeLessThan(19_000)
  digests = 0
  await mayHoldPassword('the server did not come up in time '.repeat(28), counting)
  expect(digests).toBe(0)
})
