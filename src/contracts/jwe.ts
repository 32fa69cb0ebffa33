import { isUtf8 } from 'node:buffer'
import { z } from 'zod'

/** The one kind of encryption that this service takes and makes: RFC 7516 compact, to a key of its own. */
export const JWE_ALG = 'ECDH-ES+A256KW'
export const JWE_ENC = 'A256GCM'
const CURVE = 'P-256'

/** Characters of the longest `spec.password_jwe`. */
export const MAX_PASSWORD_JWE = 2048
/** Characters of the longest header that is read. */
const MAX_HEADER = 4096
/** Header, encrypted key, nonce, ciphertext and tag; each of them base64url. */
export const COMPACT_JWE = /^([A-Za-z0-9_-]+\.){3}[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+$/

const headerSchema = z.looseObject({
  alg: z.literal(JWE_ALG, `must have the alg ${JWE_ALG}`),
  enc: z.literal(JWE_ENC, `must have the enc ${JWE_ENC}`),
  epk: z.looseObject(
    { kty: z.literal('EC'), crv: z.literal(CURVE, `must have an epk of ${CURVE}`) },
    `must have an epk of ${CURVE}`,
  ),
  zip: z.undefined('must not be compressed (zip)').optional(),
  crit: z.undefined('must not have a crit').optional(),
  kid: z.string('must have a kid that is a string').optional(),
})

export type JweReading = { ok: true; kid: string | undefined } | { ok: false; fault: string }

/** Reads the form and the header of a JWE; a fault does not quote it. Nothing is decrypted. */
export function readJwe(text: string): JweReading {
  if (!COMPACT_JWE.test(text)) return { ok: false, fault: 'must be a JWE in compact form' }
  const header = text.slice(0, text.indexOf('.'))
  if (header.length > MAX_HEADER) return { ok: false, fault: 'must have a shorter header' }
  const { data, error } = headerSchema.safeParse(parseHeader(header))
  if (data !== undefined) return { ok: true, kid: data.kid }
  const message = error.issues[0]?.message
  return {
    ok: false,
    fault: message?.startsWith('must') ? message : 'must have a header with alg, enc and epk',
  }
}

function parseHeader(encoded: string): unknown {
  const bytes = Buffer.from(encoded, 'base64url')
  if (!isUtf8(bytes)) return undefined
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    return undefined
  }
}
