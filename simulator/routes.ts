/**
 * Operations by the names of the API document; then those of IAM and of a VM's metadata service; `Unknown` is any other
 * path or method.
 */
export const operations = [
  'RunInstances',
  'CreateInstance',
  'ListInstances',
  'ShowInstanceStatus',
  'DeleteInstance',
  'DeleteInstances',
  'ListServers',
  'ShowServer',
  'CountServers',
  'CreateToken',
  'CreateTokenByIdToken',
  'CreateTemporaryKey',
  'ListProjects',
  'CreateMetadataSession',
  'ShowSecurityKey',
  'Unknown',
] as const
export type Operation = (typeof operations)[number]

export const services = ['clouddc', 'iam', 'metadata'] as const
export type Service = (typeof services)[number]

const elsewhere: Readonly<Record<string, { operation: Operation; service: Service }>> = {
  'POST /v3/auth/tokens': { operation: 'CreateToken', service: 'iam' },
  'POST /v3.0/OS-AUTH/id-token/tokens': { operation: 'CreateTokenByIdToken', service: 'iam' },
  'POST /v3.0/OS-CREDENTIAL/securitytokens': { operation: 'CreateTemporaryKey', service: 'iam' },
  'GET /v3/projects': { operation: 'ListProjects', service: 'iam' },
  'PUT /meta-data/latest/api/token': { operation: 'CreateMetadataSession', service: 'metadata' },
  'GET /openstack/latest/securitykey': { operation: 'ShowSecurityKey', service: 'metadata' },
}

/** `Unknown` calls count as CloudDC's. */
export const serviceOf = (operation: Operation): Service =>
  Object.values(elsewhere).find((one) => one.operation === operation)?.service ?? 'clouddc'

export type Route = {
  operation: Operation
  /** The project of a `/v1/{project_id}/...` path, also of an unknown one; else ''. */
  project: string
  /** The instance or server id in the path, or ''. */
  id: string
  path: string
  /** Without the question mark. */
  query: string
}

export const creates = (operation: Operation) =>
  operation === 'RunInstances' || operation === 'CreateInstance'
export const lists = (operation: Operation) => operation === 'ListInstances' || operation === 'ListServers'

/** Wrong method and wrong path are the same to the gateway: APIGW.0101. */
export function matchRoute(method: string, url: string): Route {
  const mark = url.indexOf('?')
  const path = mark < 0 ? url : url.slice(0, mark)
  const query = mark < 0 ? '' : url.slice(mark + 1)
  const parts = path.split('/')
  const other = elsewhere[`${method} ${path}`]
  if (other) return { operation: other.operation, project: '', id: '', path, query }
  const project = parts[1] === 'v1' ? decode(parts[2] ?? '') : ''
  if (project === '') return { operation: 'Unknown', project: '', id: '', path, query }
  const id = decode(parts[4] ?? '')
  return { operation: operationOf(method, parts, id), project, id, path, query }
}

function operationOf(method: string, parts: readonly string[], id: string): Operation {
  const [, , , collection, , last] = parts
  if (collection === 'instances') {
    if (parts.length === 4)
      return method === 'POST' ? 'CreateInstance' : method === 'GET' ? 'ListInstances' : 'Unknown'
    if (id === '') return 'Unknown'
    if (parts.length === 6) return method === 'GET' && last === 'status' ? 'ShowInstanceStatus' : 'Unknown'
    if (parts.length !== 5) return 'Unknown'
    if (method === 'POST') {
      return id === 'batch-create' ? 'RunInstances' : id === 'batch-delete' ? 'DeleteInstances' : 'Unknown'
    }
    return method === 'DELETE' ? 'DeleteInstance' : 'Unknown'
  }
  if (collection !== 'physicalservers' || method !== 'GET') return 'Unknown'
  if (parts.length === 4) return 'ListServers'
  if (parts.length !== 5 || id === '') return 'Unknown'
  // `/physicalservers/status` comes before `/physicalservers/{id}`.
  return id === 'status' ? 'CountServers' : 'ShowServer'
}

function decode(segment: string): string {
  if (!segment.includes('%')) return segment
  try {
    return decodeURIComponent(segment)
  } catch {
    return ''
  }
}
