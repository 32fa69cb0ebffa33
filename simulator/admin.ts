import type { IncomingMessage, ServerResponse } from 'node:http'
import { z } from 'zod'
import { credentialRoutes } from './admin-credentials.ts'
import { type AdminDeps, type AdminRoute, type Answer, ok } from './admin-route.ts'
import { isoTime } from './clock.ts'
import type { FaultScript } from './faults.ts'
import { readBody } from './http.ts'
import { manageStates } from './inventory.ts'
import { instanceStates } from './lifecycle.ts'
import type { SimulatorOptions } from './options.ts'
import { services } from './routes.ts'

const maxBodyBytes = 64 * 1024 * 1024
const pageSize = 1000
const maxPageSize = 10_000

const serverSeed = z.strictObject({
  id: z.string().min(1),
  manage_state: z.enum(manageStates).exactOptional(),
  frozen_state: z.int().min(0).exactOptional(),
  reserved: z.boolean().exactOptional(),
})
const inventorySeed = z.union([
  z.strictObject({ count: z.int().min(0), manage_state: z.enum(manageStates).exactOptional() }),
  z.strictObject({ servers: z.array(serverSeed) }),
])
const inventoryChange = z.strictObject({ servers: z.array(serverSeed) })
const stateChange = z.strictObject({ state: z.enum(instanceStates) })
const bucket = z.object({ rate: z.coerce.number().positive(), burst: z.coerce.number().min(0) })

const routes: readonly AdminRoute[] = [
  { method: 'GET', path: /^\/admin\/health$/, run: () => ok({ status: 'ok' }) },
  { method: 'GET', path: /^\/admin\/stats$/, run: ({ stats }) => ok(stats()) },
  { method: 'GET', path: /^\/admin\/settings$/, run: ({ settings }) => ok(settings) },
  {
    method: 'PATCH',
    path: /^\/admin\/settings$/,
    run: ({ configure }, { body }) => ok(configure(body as SimulatorOptions)),
  },
  {
    method: 'GET',
    path: /^\/admin\/ledger\/calls$/,
    run: ({ ledger }, { query }) => {
      const page = readPage(query)
      const calls = ledger.calls({ ...page, ...readFilter(query) })
      const next = calls.length === page.limit ? (calls.at(-1)?.n ?? null) : null
      return ok({ calls: calls.map((call) => ({ ...call, at: isoTime(call.at_ms) })), next_after: next })
    },
  },
  {
    method: 'GET',
    path: /^\/admin\/ledger\/instances$/,
    run: ({ ledger }, { query }) => {
      const page = readPage(query)
      const { project } = readFilter(query)
      const instances = ledger.instances({ ...page, ...(project === undefined ? {} : { project }) })
      const next = instances.length === page.limit ? (instances.at(-1)?.seq ?? null) : null
      return ok({ instances, next_after: next })
    },
  },
  {
    method: 'GET',
    path: /^\/admin\/limiter\/violations$/,
    run: ({ ledger }, { query }) => {
      const page = readPage(query)
      const violations = ledger.violations({ ...page, ...readFilter(query) })
      const next = violations.length === page.limit ? (violations.at(-1)?.n ?? null) : null
      return ok({ violations, next_after: next })
    },
  },
  {
    method: 'GET',
    path: /^\/admin\/limiter\/check$/,
    run: ({ ledger }, { query }) =>
      ok(ledger.budget({ ...readFilter(query), ...bucket.parse(Object.fromEntries(query)) })),
  },
  { method: 'GET', path: /^\/admin\/faults$/, run: ({ faults }) => ok({ faults: faults.list() }) },
  {
    method: 'POST',
    path: /^\/admin\/faults$/,
    run: ({ faults }, { body }) => {
      const scripts = Array.isArray(body) ? body : [body]
      const added = scripts.map((script) => faults.add(script as FaultScript))
      return { status: 201, value: Array.isArray(body) ? { faults: added } : added[0] }
    },
  },
  {
    method: 'POST',
    path: /^\/admin\/faults\/([^/]+)\/release$/,
    run: ({ faults }, { id }) => ok({ released: faults.release(Number(id)) }),
  },
  {
    method: 'DELETE',
    path: /^\/admin\/faults\/([^/]+)$/,
    run: ({ faults }, { id }) =>
      faults.remove(Number(id)) ? ok({}) : { status: 404, value: { error: `fault ${id} is not known` } },
  },
  {
    method: 'DELETE',
    path: /^\/admin\/faults$/,
    run: ({ faults }) => {
      faults.clear()
      return ok({})
    },
  },
  {
    method: 'GET',
    path: /^\/admin\/inventory$/,
    run: ({ inventory }) => ok({ projects: inventory.projects() }),
  },
  {
    method: 'GET',
    path: /^\/admin\/inventory\/([^/]+)$/,
    run: ({ inventory }, { id, query }) => ok(inventory.show(id, readPage(query))),
  },
  {
    method: 'PUT',
    path: /^\/admin\/inventory\/([^/]+)$/,
    run: ({ inventory }, { id, body }) => {
      inventory.set(id, inventorySeed.parse(body))
      return ok(inventory.show(id, { limit: pageSize }))
    },
  },
  {
    method: 'PATCH',
    path: /^\/admin\/inventory\/([^/]+)$/,
    run: ({ inventory }, { id, body }) => {
      inventory.change(id, inventoryChange.parse(body).servers)
      return ok(inventory.show(id, { limit: pageSize }))
    },
  },
  {
    method: 'POST',
    path: /^\/admin\/instances\/([^/]+)\/state$/,
    run: ({ instances }, { id, body }) => ok(instances.force(id, stateChange.parse(body).state)),
  },
  ...credentialRoutes,
  {
    method: 'POST',
    path: /^\/admin\/reset$/,
    run: ({ reset }) => {
      reset()
      return ok({})
    },
  },
]

/** The operator's port: JSON in, JSON out. A wrong request is 400 with `{"error"}`; nothing here is limited. */
export function createAdminListener(deps: AdminDeps) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    void readBody(request, maxBodyBytes).then((body) => {
      const { status, value } = body === null ? refused(413, 'body') : run(deps, request, body)
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(`${JSON.stringify(value)}\n`)
    })
  }
}

function run(deps: AdminDeps, request: IncomingMessage, body: Buffer): Answer {
  try {
    const url = new URL(request.url ?? '/', 'http://admin')
    for (const { method, path, run } of routes) {
      const found = method === request.method ? path.exec(url.pathname) : null
      if (!found) continue
      const id = decodeURIComponent(found[1] ?? '')
      const parsed = body.length === 0 ? undefined : JSON.parse(body.toString())
      return run(deps, { id, query: url.searchParams, body: parsed })
    }
    return refused(404, `no route ${request.method} ${url.pathname}`)
  } catch (error) {
    return refused(400, error instanceof z.ZodError ? z.prettifyError(error) : String(error))
  }
}

const refused = (status: number, error: string): Answer => ({ status, value: { error } })

function readPage(query: URLSearchParams): { after: number; limit: number } {
  const after = Number(query.get('after') ?? 0)
  const limit = Number(query.get('limit') ?? pageSize)
  if (!Number.isInteger(after) || after < 0) throw new Error('after: not a count')
  if (!Number.isInteger(limit) || limit < 1) throw new Error('limit: not a count')
  return { after, limit: Math.min(limit, maxPageSize) }
}

const filter = z.object({
  project: z.string().exactOptional(),
  operation: z.string().exactOptional(),
  user: z.string().exactOptional(),
  service: z.enum(services).exactOptional(),
})

const readFilter = (query: URLSearchParams) => filter.parse(Object.fromEntries(query))
