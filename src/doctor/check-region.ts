import { lookup } from 'node:dns/promises'
import { type Credentials, regionOf } from '../clouddc/auth/credentials.ts'
import { cloudDcEndpoint, type Home, iamEndpoint } from '../clouddc/regions.ts'
import { coerceError } from '../runtime/errors.ts'
import { type Found, fault, ok, warning } from './finding.ts'

/** Where CloudDC is offered, as its documentation has it. */
const OFFERED = ['cn-southwest-2', 'cn-east-3', 'cn-south-1', 'ap-southeast-3']

export interface Whereabouts {
  region: string | null
  endpoint: string
  iam: string
}

/** Where the calls of a project go. */
export function whereaboutsOf(projectId: string, home: Home, credentials: Credentials): Whereabouts {
  const own = regionOf(credentials, projectId)
  return {
    region: own ?? home.region,
    endpoint: cloudDcEndpoint(own, home, credentials.regions),
    iam: iamEndpoint(own, home, credentials.regions),
  }
}

/** Whether the address of CloudDC in a project's region can be resolved. */
export async function checkRegion({ region, endpoint }: Whereabouts): Promise<Found> {
  const words = `${region ?? 'none named'}: CloudDC at ${endpoint}`
  const from = region === null ? 'CLOUDDC_ENDPOINT' : 'the region (CLOUDDC_REGION, credentials file)'
  const { hostname } = new URL(endpoint)
  const error = await lookup(hostname.replace(/^\[(.*)\]$/, '$1')).then(() => null, coerceError)
  if (error !== null)
    return fault(
      `${words}; the name ${hostname} cannot be resolved`,
      `check ${from}, and the DNS of this machine`,
    )
  if (region !== null && !OFFERED.includes(region))
    return warning(words, `CloudDC is offered in ${OFFERED.join(', ')}, as far as is known: check ${from}`)
  return ok(words)
}
