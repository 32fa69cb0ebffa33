import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Caller, judge, NOBODY, OPEN_CALLER } from '../../src/access/caller.ts'
import { ACCESS_ROLES, type AccessRole, ruleOf, WHO_MAY } from '../../src/access/who-may.ts'
import { accessBy, bearer } from '../support/access.ts'
import { setUpApi } from '../support/api-world.ts'

/** Every route of the service as Fastify knows it. */
async function registeredRoutes(): Promise<{ method: string; url: string }[]> {
  const { api } = setUpApi()
  const routes: { method: string; url: string }[] = []
  api.app.addHook('onRoute', ({ method, url }) => {
    for (const one of [method].flat()) routes.push({ method: one, url })
  })
  await api.app.ready()
  return routes
}

const anyRoles = fc.subarray([...ACCESS_ROLES])
const anyProjects = fc.oneof(fc.constant('*' as const), fc.uniqueArray(fc.stringMatching(/^[a-c]$/)))
const anyCaller = fc.record({ roles: anyRoles, projects: anyProjects }).map(
  ({ roles, projects }): Caller => ({
    id: 'key:any',
    roles: new Set(roles),
    projects: projects === '*' ? '*' : new Set(projects),
  }),
)

describe('the table of who may', () => {
  test('has a row for every route, and no other rows', async () => {
    const routes = await registeredRoutes()
    const keys = routes.map(({ method, url }) => `${method === 'HEAD' ? 'GET' : method} ${url}`)
    expect(keys.length).toBeGreaterThan(20)
    expect(Object.keys(WHO_MAY).toSorted()).toEqual([...new Set(keys)].toSorted())
  })

  test('asks for the project wherever the path names one', () => {
    for (const [route, { role, project }] of Object.entries(WHO_MAY)) {
      if (route.includes(':project_id') && role !== 'operate') expect(project, route).toBe('path')
      if (project === 'path') expect(route).toContain(':project_id')
      if (role === null) expect(project, route).toBeNull()
    }
  })

  test('refuses what has no row, to everybody', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), anyCaller, fc.string(), (method, url, caller, project) => {
        fc.pre(!(`${method === 'HEAD' ? 'GET' : method} ${url}` in WHO_MAY))
        expect(judge(ruleOf(method, url), caller, project)).toBe('forbidden')
        expect(judge(ruleOf(method, url), OPEN_CALLER, project)).toBe('forbidden')
      }),
    )
  })

  test('allows only with the role, and with the project', () => {
    const rules = Object.values(WHO_MAY).concat({ role: 'operate', project: 'all' })
    fc.assert(
      fc.property(
        fc.constantFrom(...rules),
        anyCaller,
        fc.stringMatching(/^[a-c]$/),
        (rule, caller, project) => {
          const allowed = judge(rule, caller, project) === 'allowed'
          const hasRole = rule.role === null || caller.roles.has(rule.role)
          const hasProject =
            rule.project === null ||
            caller.projects === '*' ||
            (rule.project === 'path' && caller.projects.has(project))
          expect(allowed).toBe(hasRole && hasProject)
          expect(judge(rule, NOBODY, project)).toBe(rule.role === null ? 'allowed' : 'unknown')
        },
      ),
    )
  })
})

describe('every route', () => {
  const projectsOf = { one: ['p'], other: ['q'], all: '*' } as const
  const callers = ACCESS_ROLES.flatMap((role) =>
    (['one', 'other', 'all'] as const).map((projects) => ({ role, projects, key: `${role}-${projects}` })),
  )
  const access = accessBy({
    keys: callers.map(({ role, projects, key }) => ({
      id: key,
      key,
      roles: [role as AccessRole],
      projects: projectsOf[projects],
    })),
  })

  test('is answered to those whom its row names, in their projects, and to nobody else', async () => {
    const { api } = setUpApi({}, { access })
    for (const { method, url } of await registeredRoutes()) {
      const rule = ruleOf(method, url)
      const path = url.replace(':project_id', 'p').replaceAll(/:\w+/g, 'order-1').replace('*', 'x.css')
      const ask = async (headers: Record<string, string>) =>
        (await api.app.inject({ method: method as 'GET', url: path, headers })).statusCode
      const place = `${method} ${url}`

      const statuses = [
        await ask({}),
        await ask(bearer('unknown')),
        await ask({ authorization: 'Basic eDp5' }),
      ]
      // Signing in is open, and needs the credential that it is for.
      if (place === 'POST /console/session') continue
      if (rule?.role == null) expect(statuses, place).not.toContain(401)
      else expect(statuses, place).toEqual([401, 401, 401])

      for (const { role, projects, key } of callers) {
        const status = await ask(bearer(key))
        const hasProject =
          rule?.project === null || projects === 'all' || (rule?.project === 'path' && projects === 'one')
        if (rule?.role == null || (rule.role === role && hasProject))
          expect([401, 403], `${place} ${key}`).not.toContain(status)
        else expect(status, `${place} ${key}`).toBe(403)
      }
    }
  })

  test('answers a stranger alike whether the project, or the request, exists or not', async () => {
    const { api, world } = setUpApi({}, { access })
    const ask = async (path: string) => {
      const reply = await api.app.inject({ url: path, headers: bearer('read-other') })
      const { date: _, ...headers } = reply.headers
      return { status: reply.statusCode, body: reply.body, headers }
    }
    const known = await ask('/v1/p/provision-requests/order-1')
    expect(known.status).toBe(403)
    expect(await ask('/v1/nobody/provision-requests/order-1')).toEqual(known)
    expect(await ask('/v1/p/provision-requests/order-2')).toEqual(known)
    expect(await ask('/v1/p%2F/provision-requests/order-1')).toEqual(known)
    world.exists = false
    expect(await ask('/v1/p/provision-requests/order-1')).toEqual(known)
    expect(world.statusReads).toBe(0)
  })

  test('says how to authenticate', async () => {
    const { api } = setUpApi({}, { access })
    const url = '/v1/p/provision-requests'
    const none = await api.app.inject(url)
    expect(none.headers['www-authenticate']).toBe('Bearer realm="provisioner"')
    expect(none.json()).toMatchObject({ status: 401, code: 'unauthorized' })
    const bad = await api.app.inject({ url, headers: bearer('unknown') })
    expect(bad.headers['www-authenticate']).toBe('Bearer realm="provisioner", error="invalid_token"')
  })

  test('is open to everybody without an access file', async () => {
    const { api } = setUpApi()
    for (const { method, url } of await registeredRoutes()) {
      const path = url.replace(':project_id', 'p').replaceAll(/:\w+/g, 'order-1')
      const { statusCode } = await api.app.inject({ method: method as 'GET', url: path })
      expect([401, 403], `${method} ${url}`).not.toContain(statusCode)
    }
  })
})
