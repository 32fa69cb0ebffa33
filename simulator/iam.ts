import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Auth, Identity } from './auth.ts'
import { isoTime } from './clock.ts'
import type { KeyRing } from './keys.ts'
import type { Call } from './ledger.ts'
import { regionOf, type Settings } from './options.ts'
import { iamError, type Reply, reply } from './reply.ts'
import { headerOf, type WireCall } from './signature.ts'
import type { Tokens } from './tokens.ts'

/** One call of IAM. `call.user` and `call.scope` are noted as soon as they are known. */
export type IamWork = {
  call: Call
  wire: WireCall
  query: string
  body: unknown
  region: string
  now: number
}

export type Iam = {
  /** `POST /v3/auth/tokens` by password, or for an agency. */
  createToken(work: IamWork): Reply
  /** `POST /v3.0/OS-AUTH/id-token/tokens`. */
  createTokenByIdToken(work: IamWork): Reply
  /** `POST /v3.0/OS-CREDENTIAL/securitytokens` of the caller's own, or of an agency. */
  createTemporaryKey(work: IamWork): Reply
  /** `GET /v3/projects`: those that are configured. */
  listProjects(work: IamWork): Reply
}

const scoped = z.object({ id: z.string().min(1).optional(), name: z.string().min(1).optional() })
const scope = z.object({ project: scoped.optional(), domain: scoped.optional() }).optional()
const methods = z.array(z.string()).min(1)
const user = z.object({
  name: z.string().min(1),
  password: z.string().min(1),
  domain: z.object({ name: z.string().min(1) }),
})
/** 15 minutes to 24 hours. */
const duration = z.int().min(900).max(86_400).default(900)
const agency = z.object({
  domain_name: z.string().min(1).optional(),
  domain_id: z.string().min(1).optional(),
  agency_name: z.string().min(1),
  duration_seconds: duration,
})
const passwordRequest = z.object({
  auth: z.object({ identity: z.object({ methods, password: z.object({ user }) }), scope }),
})
const agencyRequest = z.object({
  auth: z.object({ identity: z.object({ methods, assume_role: agency }), scope }),
})
const idTokenRequest = z.object({
  auth: z.object({ id_token: z.object({ id: z.string().min(1) }), scope }),
})
const ownKeyRequest = z.object({
  auth: z.object({
    identity: z.object({ methods, token: z.object({ duration_seconds: duration }).prefault({}) }),
  }),
})
const methodsOf = z.object({ auth: z.object({ identity: z.object({ methods }) }) })

type Scope = z.output<typeof scope>

export function createIam({
  settings,
  tokens,
  keys,
  auth,
}: {
  settings: Settings
  tokens: Tokens
  keys: KeyRing
  auth: Auth
}): Iam {
  /**
   * A scope by project id is held to that project. A scope by region name stands for any project of that region, or
   * for the first of `projects` when they are configured, because the simulator keeps no directory of names. Without
   * a project in the scope the token opens nothing.
   */
  const issueToken = (
    { call, query, region: here, now }: IamWork,
    asked: { scope: Scope; method: string; user: string; domain: string },
  ): Reply => {
    const project = asked.scope?.project
    const region = project?.name?.split('_')[0] ?? regionOf(settings, project?.id ?? '') ?? here
    const named = project?.id ?? (project?.name === undefined ? '' : (settings.projects[0] ?? null))
    call.scope = named
    const token = tokens.issue({ region, project: named, user: asked.user }, now)
    const domain = { id: derivedId(asked.domain), name: asked.domain }
    const about = {
      methods: [asked.method],
      expires_at: iamTime(token.expiresAt, settings),
      issued_at: iamTime(token.issuedAt, settings),
      user: {
        domain,
        id: derivedId(asked.user),
        name: asked.user.split('/').at(-1),
        password_expires_at: '',
      },
      ...(project
        ? { project: { domain, id: named ?? derivedId(region), name: project.name ?? region } }
        : { domain }),
      roles: [{ id: '0', name: 'te_admin' }],
      ...(new URLSearchParams(query).get('nocatalog') === null ? { catalog: [] } : {}),
    }
    return reply(201, { token: about }, { 'X-Subject-Token': token.value })
  }

  /** The caller of a call that needs one, noted in the ledger; or the refusal. */
  const callerOf = ({ call, wire, now }: IamWork): { user: string } | Reply => {
    const identity: Identity = auth.identify(wire, now)
    if (!identity.ok) {
      const message = `The request you have made requires authentication: ${identity.reason}`
      return iamError(401, message)
    }
    call.user = identity.user
    return { user: identity.user }
  }

  /** `domain/agency`, or the refusal where it does not exist. */
  const agencyOf = ({ domain_name, domain_id, agency_name }: z.output<typeof agency>): string | Reply => {
    const name = `${domain_name ?? domain_id ?? ''}/${agency_name}`
    if (settings.agencies.length === 0 || settings.agencies.includes(name)) return name
    return iamError(403, `You are not authorized to perform the requested action: assume ${name}.`)
  }

  const issueKey = ({ now }: IamWork, holder: string, seconds: number): Reply => {
    const lifeMs = Math.min(seconds * 1000, settings.keyLifeMs)
    return reply(201, credentialOf(keys.issue({ user: holder, lifeMs }, now), settings))
  }

  return {
    createToken: (work) => {
      const first = methodsOf.safeParse(work.body)
      if (first.success && first.data.auth.identity.methods.includes('assume_role')) {
        const parsed = agencyRequest.safeParse(work.body)
        if (!parsed.success) return faulty(parsed.error)
        const { identity, scope: asked } = parsed.data.auth
        const caller = callerOf(work)
        if ('status' in caller) return caller
        const holder = agencyOf(identity.assume_role)
        if (typeof holder !== 'string') return holder
        const domain = holder.slice(0, holder.lastIndexOf('/'))
        return issueToken(work, { scope: asked, method: 'assume_role', user: holder, domain })
      }
      const parsed = passwordRequest.safeParse(work.body)
      if (!parsed.success) return faulty(parsed.error)
      const { identity, scope: asked } = parsed.data.auth
      if (!identity.methods.includes('password')) {
        return iamError(400, 'Expecting to find password in auth.identity.methods.')
      }
      const { name, password, domain } = identity.password.user
      work.call.user = `${domain.name}/${name}`
      if (settings.iamUsers.length > 0 && !settings.iamUsers.includes(`${name}:${password}`)) {
        return iamError(401, 'The username or password is wrong.')
      }
      return issueToken(work, {
        scope: asked,
        method: 'password',
        user: work.call.user,
        domain: domain.name,
      })
    },

    createTokenByIdToken: (work) => {
      const parsed = idTokenRequest.safeParse(work.body)
      if (!parsed.success) return faulty(parsed.error)
      const idp = headerOf(work.wire.headers, 'x-idp-id')
      if (idp === '') return iamError(400, 'Expecting to find X-Idp-Id in the headers.')
      const { id_token, scope: asked } = parsed.data.auth
      if (settings.idps.length > 0 && !settings.idps.includes(idp)) {
        return iamError(404, `Could not find Identity Provider: ${idp}.`)
      }
      const claims = readIdToken(id_token.id)
      if (claims === null) return iamError(401, 'The id token is malformed.')
      if (claims.exp !== undefined && work.now >= claims.exp * 1000) {
        return iamError(401, 'The id token is expired.')
      }
      work.call.user = `${idp}/${claims.sub}`
      return issueToken(work, { scope: asked, method: 'mapped', user: work.call.user, domain: idp })
    },

    createTemporaryKey: (work) => {
      const first = methodsOf.safeParse(work.body)
      if (!first.success) return faulty(first.error)
      const caller = callerOf(work)
      if ('status' in caller) return caller
      if (first.data.auth.identity.methods.includes('assume_role')) {
        const parsed = agencyRequest.safeParse(work.body)
        if (!parsed.success) return faulty(parsed.error)
        const asked = parsed.data.auth.identity.assume_role
        const holder = agencyOf(asked)
        return typeof holder === 'string' ? issueKey(work, holder, asked.duration_seconds) : holder
      }
      const parsed = ownKeyRequest.safeParse(work.body)
      if (!parsed.success) return faulty(parsed.error)
      return issueKey(work, caller.user || 'admin', parsed.data.auth.identity.token.duration_seconds)
    },

    listProjects: (work) => {
      const caller = callerOf(work)
      if ('status' in caller) return caller
      const name = new URLSearchParams(work.query).get('name')
      const projects = settings.projects
        .map((id) => ({ id, name: regionOf(settings, id) ?? settings.region, enabled: true }))
        .filter((project) => (name ?? project.name) === project.name)
      return reply(200, { projects, links: { next: null, previous: null, self: '/v3/projects' } })
    },
  }
}

/** An issued key as IAM and the metadata service write it. */
export function credentialOf(
  { accessKey, secretKey, securityToken, expiresAt }: ReturnType<KeyRing['issue']>,
  settings: Settings,
): object {
  const expires_at = expiresAt === null ? null : iamTime(expiresAt, settings)
  return { credential: { access: accessKey, secret: secretKey, securitytoken: securityToken, expires_at } }
}

function faulty(error: z.ZodError): Reply {
  return iamError(400, `Expecting to find valid value in ${error.issues[0]?.path.join('.') || 'body'}.`)
}

/** Of an OIDC id token, whose signature is not looked at: the simulator has no keys of anybody. */
const idTokenClaims = z.object({ sub: z.string().min(1), exp: z.number().optional() })

function readIdToken(jwt: string): z.output<typeof idTokenClaims> | null {
  const [, payload, signature, more] = jwt.split('.')
  if (payload === undefined || signature === undefined || more !== undefined) return null
  try {
    return idTokenClaims.parse(JSON.parse(Buffer.from(payload, 'base64url').toString()))
  } catch {
    return null
  }
}

/** IAM writes microseconds, by the cloud's clock. */
const iamTime = (at: number, { clockAheadMs }: Settings) => isoTime(at + clockAheadMs).replace('Z', '000Z')

const derivedId = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 32)
