/** Where calls go that name no region, or that of this installation. */
export interface Home {
  /** CloudDC's base URL. */
  endpoint: string
  region: string | null
  /** IAM's base URL; null for that of the region. */
  iamEndpoint: string | null
}

/** Addresses of a region that the usual form of names does not give. */
export interface RegionAddresses {
  endpoint: string | null
  iamEndpoint: string | null
}

type Regions = ReadonlyMap<string, RegionAddresses>

export const REGION = /^[a-z]{2,}-[a-z]+-\d{1,3}$/

/** The base URL of CloudDC for a project of `region`; null is the installation's own. */
export function cloudDcEndpoint(region: string | null, home: Home, regions: Regions): string {
  const named = region === null ? null : (regions.get(region)?.endpoint ?? null)
  if (named !== null) return named
  if (region === null || region === home.region) return home.endpoint
  return regionalCloudDc(region)
}

/** The base URL of IAM for a project of `region`; null is the installation's own. */
export function iamEndpoint(region: string | null, home: Home, regions: Regions): string {
  const own = region ?? home.region
  const named = own === null ? null : (regions.get(own)?.iamEndpoint ?? null)
  if (named !== null) return named
  if (home.iamEndpoint !== null && own === home.region) return home.iamEndpoint
  return own === null ? 'https://iam.myhuaweicloud.com' : `https://iam.${own}.${domainOf(own)}`
}

export function regionalCloudDc(region: string): string {
  return `https://clouddc.${region}.${domainOf(region)}`
}

function domainOf(region: string): string {
  return region === 'eu-west-101' ? 'myhuaweicloud.eu' : 'myhuaweicloud.com'
}

/** Whether what is sent to this address stays on this machine. */
export function isLoopback(url: string): boolean {
  const { hostname } = new URL(url)
  return (
    hostname === 'localhost' ||
    hostname.endsWith('.localhost') ||
    hostname === '[::1]' ||
    /^127\.\d+\.\d+\.\d+$/.test(hostname)
  )
}

/** Whether anybody on the way to this address could read what is sent there. */
export function isReadable(url: string): boolean {
  return new URL(url).protocol === 'http:' && !isLoopback(url)
}
