import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Auth } from './auth.ts'
import type { Settings } from './options.ts'
import { type Reply, reply } from './reply.ts'

const scoped = z.object({ id: z.string().min(1).optional(), name: z.string().min(1).optional() })

const tokenRequest = z.object({
  auth: z.object({
    identity: z.object({
      methods: z.array(z.string()).min(1),
      password: z.object({
        user: z.object({
          name: z.string().min(1),
          password: z.string().min(1),
          domain: z.object({ name: z.string().min(1) }),
        }),
      }),
    }),
    scope: z.object({ project: scoped.optional(), domain: scoped.optional() }).optional(),
  }),
})

/**
 * IAM's `POST /v3/auth/tokens`: 201 with the token in `X-Subject-Token`. A scope by project id is held to that
 * project. A scope by region name stands for any project of that region, or for the first of `projects` when they
 * are configured, because the simulator keeps no directory of names. Without a project in the scope the token opens
 * nothing.
 */
export function createToken(
  { settings, auth }: { settings: Settings; auth: Auth },
  body: unknown,
  { query, now }: { query: string; now: number },
): Reply {
  const parsed = tokenRequest.safeParse(body)
  if (!parsed.success) {
    const path = parsed.error.issues[0]?.path.join('.') || 'body'
    return iamError(400, 'Bad Request', `Expecting to find valid value in ${path}.`)
  }
  const { identity, scope } = parsed.data.auth
  if (!identity.methods.includes('password')) {
    return iamError(400, 'Bad Request', 'Expecting to find password in auth.identity.methods.')
  }
  const { user } = identity.password
  if (settings.iamUsers.length > 0 && !settings.iamUsers.includes(`${user.name}:${user.password}`)) {
    return iamError(401, 'Unauthorized', 'The username or password is wrong.')
  }
  const project = scope?.project
  const region = project?.name?.split('_')[0] ?? settings.region
  const named = project?.id ?? (project?.name === undefined ? '' : (settings.projects[0] ?? null))
  const token = auth.issue({ region, project: named }, now)
  const times = { expires_at: iamTime(token.expiresAt), issued_at: iamTime(token.issuedAt) }
  const domain = { id: derivedId(user.domain.name), name: user.domain.name }
  const about = {
    methods: ['password'],
    ...times,
    user: { domain, id: derivedId(`${domain.name}/${user.name}`), name: user.name, password_expires_at: '' },
    ...(project
      ? { project: { domain, id: named ?? derivedId(region), name: project.name ?? region } }
      : { domain }),
    roles: [{ id: '0', name: 'te_admin' }],
    ...(new URLSearchParams(query).get('nocatalog') === null ? { catalog: [] } : {}),
  }
  return reply(201, { token: about }, { 'X-Subject-Token': token.value })
}

const iamError = (code: number, title: string, message: string) =>
  reply(code, { error: { code, message, title } })

/** IAM writes microseconds. */
const iamTime = (at: number) => new Date(at).toISOString().replace('Z', '000Z')

const derivedId = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 32)
