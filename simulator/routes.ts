/** Operations by the names of the API document; `CreateToken` is IAM's, `Unknown` is any other path or method. */
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
  'Unknown',
] as const
export type Operation = (typeof operations)[number]

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
  if (parts[1] === 'v3') {
    const token = method === 'POST' && path === '/v3/auth/tokens'
    return { operation: token ? 'CreateToken' : 'Unknown', project: '', id: '', path, query }
  }
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
