import { z } from 'zod'
import { COMPACT_JWE, JWE_ALG, JWE_ENC, MAX_PASSWORD_JWE, readJwe } from './jwe.ts'
import { PASSWORD_KEYWORDS, passwordFaults } from './password.ts'
import { isPlainObject } from './plain-object.ts'
import { told } from './reply-members.ts'

/** The two members of a spec for its password, of which it has one. */

export const password = z
  .string()
  .check(({ value, issues }) => {
    for (const message of passwordFaults(value)) issues.push({ code: 'custom', message, input: undefined })
  })
  .meta({
    ...told(
      'Initial password of the administrator; either this or password_jwe. Write-only: it is sealed at once.',
      'Sup3r-Secret!',
    ),
    ...PASSWORD_KEYWORDS,
    writeOnly: true,
  })

const base64url = (text: string) => Buffer.from(text).toString('base64url')
/** Of the form alone. */
const EXAMPLE_JWE = [
  base64url(JSON.stringify({ alg: JWE_ALG, enc: JWE_ENC, kid: 'k1', epk: { kty: 'EC', crv: 'P-256' } })),
  ...['key', 'nonce', 'sealed', 'tag'].map(base64url),
].join('.')

export const passwordJwe = z
  .string()
  .check(({ value, issues }) => {
    const reject = (message: string) => issues.push({ code: 'custom', message, input: undefined })
    if (value.length > MAX_PASSWORD_JWE) {
      reject(`must have at most ${MAX_PASSWORD_JWE} characters`)
      return
    }
    const reading = readJwe(value)
    if (!reading.ok) reject(reading.fault)
  })
  .meta({
    ...told(
      `The password, sealed to a key of /.well-known/provisioner-keys: RFC 7516 compact, alg ${JWE_ALG}, enc ${JWE_ENC}.`,
      EXAMPLE_JWE,
    ),
    maxLength: MAX_PASSWORD_JWE,
    pattern: COMPACT_JWE.source,
    writeOnly: true,
  })

const given = { type: 'string' }
const absent = { type: 'null' }

/** There is one of the passwords, and not both; null means absent. */
export const ONE_PASSWORD = {
  not: {
    anyOf: [
      { properties: { password: absent, password_jwe: absent } },
      { required: ['password', 'password_jwe'], properties: { password: given, password_jwe: given } },
    ],
  },
}

/** What is wrong with the choice between the two members for a password; `spec` may be anything. */
export function passwordChoiceFaults(spec: unknown): { path: string; message: string }[] {
  if (!isPlainObject(spec)) return []
  const { password: plain = null, password_jwe: sealed = null } = spec
  if (plain === null && sealed === null) return [{ path: 'password', message: 'is missing' }]
  if (plain === null || sealed === null) return []
  return [{ path: 'password_jwe', message: 'must not be given together with password' }]
}
