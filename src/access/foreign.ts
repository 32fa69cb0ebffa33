import { isIP } from 'node:net'

/** What a request says of where it comes from; header values as they came. */
export interface Origins {
  method: string
  /** As registered; undefined where there is no such route. */
  route: string | undefined
  /** Name and port by which the client addresses the API. */
  host: string
  secFetchSite: string | undefined
  secFetchMode: string | undefined
  secFetchDest: string | undefined
  origin: string | undefined
}

/** Whether a route is asked by machines that know no name of the service, and must not be kept waiting. */
export function isProbe(route: string | undefined): boolean {
  return route === '/healthz' || route === '/readyz'
}

const PAGES = /^\/(console|docs)(\/|$)/

/**
 * Whether the API is addressed by a name that is not its own: what a page of another site does that has had its own name
 * resolved to this machine.
 */
export function isForeignHost(
  { host, route }: Pick<Origins, 'host' | 'route'>,
  hosts: ReadonlySet<string>,
): boolean {
  if (isProbe(route)) return false
  const [, bracketed, plain] = /^(?:\[([0-9a-f:.]+)\]|([^:]+))(?::\d{1,5})?$/i.exec(host) ?? []
  const name = (bracketed ?? plain ?? '').toLowerCase()
  return isIP(name) === 0 && name !== 'localhost' && !hosts.has(name)
}

/** Whether a browser says that the request was made by a page of another site, other than by following a link to ours. */
export function isForeignPage(asked: Origins): boolean {
  const { secFetchSite, secFetchMode, secFetchDest, method, route = '' } = asked
  if (secFetchSite !== 'cross-site' && secFetchSite !== 'same-site') return false
  const isLink = method === 'GET' && secFetchMode === 'navigate' && secFetchDest === 'document'
  return !(isLink && PAGES.test(route))
}

/** Whether a request that a browser has sent with our cookie may change anything: one that our own page has made. */
export function mayChange({ method, secFetchSite, origin, host }: Origins): boolean {
  if (method === 'GET' || method === 'HEAD') return true
  if (secFetchSite !== undefined) return secFetchSite === 'same-origin'
  return origin !== undefined && host !== '' && URL.parse(origin)?.host === host.toLowerCase()
}
