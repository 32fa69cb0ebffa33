import { hash } from 'node:crypto'
import { z } from 'zod'
import { PROJECT_ID } from './caller.ts'
import { ACCESS_ROLES, type AccessRole } from './who-may.ts'

/** Thrown when a text is no access file; names every fault, and repeats nothing of the text. */
export class AccessFileError extends Error {
  override readonly name = 'AccessFileError'
  readonly faults: readonly string[]

  constructor(faults: readonly string[]) {
    super(faults.join('; '))
    this.faults = faults
  }
}

/** A key that callers may show; it is known by its digest alone. */
export interface AccessKey {
  id: string
  /** SHA-256 of the key, 32 bytes. */
  sha256: Buffer
  roles: ReadonlySet<AccessRole>
  projects: ReadonlySet<string> | '*'
  /** Milliseconds since 1970; null: it does not end. */
  expiresAt: number | null
}

/** Somebody whose signed tokens (JWT) are believed. */
export interface Issuer {
  /** As tokens have it in `iss`. */
  issuer: string
  /** One of those that a token must be meant for (`aud`). */
  audience: string
  /** Where the public keys are: a JWK set. */
  keys: { file: string } | { url: string }
  rolesClaim: string
  projectsClaim: string
}

export interface AccessRules {
  keys: readonly AccessKey[]
  issuers: readonly Issuer[]
}

const DIGEST_OF_NOTHING = hash('sha256', '', 'hex')

const keySchema = z.strictObject({
  id: z.string().regex(/^[A-Za-z0-9._@-]{1,64}$/, 'must be 1-64 of [A-Za-z0-9._@-]'),
  sha256: z
    .string()
    .regex(/^[0-9a-fA-F]{64}$/, 'must be the SHA-256 of the key in hex: 64 digits')
    .toLowerCase()
    .refine((digest) => digest !== DIGEST_OF_NOTHING, 'is the SHA-256 of an empty key'),
  roles: z.array(z.enum(ACCESS_ROLES, `must be of ${ACCESS_ROLES.join(', ')}`)),
  projects: z.union(
    [z.literal('*'), z.array(z.string().regex(PROJECT_ID, 'must be 1-64 of [A-Za-z0-9_-]'))],
    'must be "*" or a list of project ids',
  ),
  expires_at: z.iso.datetime({ offset: true, error: 'must be an RFC 3339 time or null' }).nullish(),
})

/** Of keys as they are written: what is malformed beside them is told as well, and by itself. */
const keysSchema = z.array(keySchema).superRefine((keys, context) => {
  for (const [index, { id, sha256 }] of keys.entries()) {
    const before = keys.slice(0, index)
    const path = [index]
    if (before.some((other) => other.id === id))
      context.addIssue({ code: 'custom', path, message: 'its id has been used before' })
    if (before.some((other) => other.sha256 === sha256))
      context.addIssue({ code: 'custom', path, message: 'is the same key as one before' })
  }
})

function keyOf({ id, sha256, roles, projects, expires_at }: z.infer<typeof keySchema>): AccessKey {
  return {
    id,
    sha256: Buffer.from(sha256, 'hex'),
    roles: new Set(roles),
    projects: projects === '*' ? '*' : new Set(projects),
    expiresAt: expires_at == null ? null : Date.parse(expires_at),
  }
}

const isSafe = ({ protocol, hostname }: URL) =>
  protocol === 'https:' || (protocol === 'http:' && /^(localhost|\[::1\]|127\.\d+\.\d+\.\d+)$/.test(hostname))

const jwksUrl = z.string().refine((text) => {
  const url = URL.parse(text)
  return url !== null && isSafe(url) && url.username === '' && url.password === ''
}, 'must be an https URL without credentials; http goes to this machine only')

const issuerSchema = z
  .strictObject({
    issuer: z.string().min(1),
    audience: z.string().min(1),
    jwks_file: z.string().min(1).nullish(),
    jwks_url: jwksUrl.nullish(),
    roles_claim: z.string().min(1).default('roles'),
    projects_claim: z.string().min(1).default('projects'),
  })
  .transform(
    ({ issuer, audience, jwks_file: file, jwks_url: url, roles_claim, projects_claim }, context): Issuer => {
      const keys = file != null && url == null ? { file } : url != null && file == null ? { url } : null
      if (keys === null) {
        context.addIssue('must have either jwks_file or jwks_url')
        return z.NEVER
      }
      return { issuer, audience, keys, rolesClaim: roles_claim, projectsClaim: projects_claim }
    },
  )

const fileSchema = z.strictObject({
  keys: keysSchema.default([]),
  issuers: z.array(issuerSchema).default([]),
})

/**
 * Reads an access file.
 * @throws {AccessFileError} with every fault
 */
export function parseAccessFile(text: string): AccessRules {
  const parsed = fileSchema.safeParse(parseJson(text))
  if (parsed.success) return { keys: parsed.data.keys.map(keyOf), issuers: parsed.data.issuers }
  throw new AccessFileError(
    parsed.error.issues.map(({ path, message }) =>
      path.length === 0 ? message : `${path.map(String).join('.')}: ${message}`,
    ),
  )
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new AccessFileError(['is not JSON'])
  }
}
