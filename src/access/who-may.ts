/**
 * Who may ask what: one row for each route that is registered. A route without a row is refused to everybody.
 */

/** `read`: status, lists, history. `cancel`: withdraws. `operate`: everything under /operations. `metrics`: /metrics. */
export const ACCESS_ROLES = ['read', 'cancel', 'operate', 'metrics'] as const
export type AccessRole = (typeof ACCESS_ROLES)[number]

export interface Rule {
  /** The role that a caller needs; null: the route is open to everybody, with or without a credential. */
  role: AccessRole | null
  /** `path`: the caller needs the project that the path names; `all`: every project; null: none in particular. */
  project: 'path' | 'all' | null
}

const OPEN: Rule = { role: null, project: null }
const READ: Rule = { role: 'read', project: 'path' }
const OPERATE: Rule = { role: 'operate', project: 'all' }
const OPERATE_PROJECT: Rule = { role: 'operate', project: 'path' }

/** By `<METHOD> <url as registered>`; HEAD is GET. */
export const WHO_MAY: Readonly<Record<string, Rule>> = {
  'GET /v1/:project_id/provision-requests': READ,
  'GET /v1/:project_id/provision-requests/:request_id': READ,
  'GET /v1/:project_id/provision-requests/:request_id/history': READ,
  'GET /v1/:project_id/instances/:instance_id': READ,
  'GET /v1/:project_id/summary': READ,
  'POST /v1/:project_id/provision-requests/:request_id/cancel': { role: 'cancel', project: 'path' },
  'POST /v1/:project_id/provision-requests/:request_id/resolve': OPERATE_PROJECT,

  'GET /operations/audit': OPERATE,
  'GET /operations/dead-letters': OPERATE,
  'GET /operations/failures': OPERATE,
  'GET /operations/overview': OPERATE,
  'GET /operations/projects': OPERATE,
  'GET /operations/runs/:run_id': OPERATE,
  'GET /operations/uncertain': OPERATE,
  'DELETE /operations/runs/:run_id': OPERATE,
  'POST /operations/dead-letters/replay': OPERATE,
  'POST /operations/events/replay': OPERATE,
  'POST /operations/pause': OPERATE,
  'POST /operations/resume': OPERATE,
  'PUT /operations/projects/:project_id/limit': OPERATE_PROJECT,
  'DELETE /operations/projects/:project_id/limit': OPERATE_PROJECT,
  'POST /operations/projects/:project_id/pause': OPERATE_PROJECT,
  'POST /operations/projects/:project_id/resume': OPERATE_PROJECT,

  'GET /console': OPEN,
  'GET /console/*': OPEN,
  'GET /console/session': OPEN,
  // Signing in needs a credential, and says so itself.
  'POST /console/session': OPEN,
  'DELETE /console/session': OPEN,

  'GET /metrics': { role: 'metrics', project: null },

  'GET /healthz': OPEN,
  'GET /readyz': OPEN,
  'GET /.well-known/provisioner-keys': OPEN,
  'GET /openapi.json': OPEN,
  'GET /docs': OPEN,
  'GET /docs/': OPEN,
  'GET /docs/json': OPEN,
  'GET /docs/yaml': OPEN,
  'GET /docs/static/*': OPEN,
  'GET /docs/static/index.html': OPEN,
  'GET /docs/static/swagger-initializer.js': OPEN,
}

/** The row of a route; undefined when there is none. */
export function ruleOf(method: string, url: string): Rule | undefined {
  const key = `${method === 'HEAD' ? 'GET' : method} ${url}`
  return Object.hasOwn(WHO_MAY, key) ? WHO_MAY[key] : undefined
}
