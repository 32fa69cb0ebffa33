import type { UpstreamInstance } from '../clouddc/wire.ts'
import { INSTANCE_NOT_FOUND } from '../request/instance.ts'
import type { ClaimedInstance } from './claim-instances.sql.ts'
import type { ObservationRow } from './record-observations.sql.ts'

/** What a poll found of one instance: its record, or that CloudDC does not know it. */
export type Sighting =
  | Pick<
      UpstreamInstance,
      'name' | 'serverId' | 'imageId' | 'networkInterfaces' | 'state' | 'upstreamState' | 'error'
    >
  | 'not_found'

export interface ReadinessLimits {
  /** An instance not running by then is failed. */
  provisionTimeoutMs: number
  /** How long a new instance may be missing from CloudDC's answers. */
  visibilityMs: number
  /** How long after an instance ran a listing with its server is waited for. */
  serverWaitMs: number
}

/**
 * The record of a sighting: pure. Running and failed are final; gone means terminated while we waited. Absence
 * counts only after `visibilityMs`, and the time limits only on an answer: an unreachable upstream ends nothing.
 * An instance that ran never fails: it is running once it is listed with its server, and not as pending, when its
 * addresses may not be known yet; or once that has been waited for long enough.
 */
export function observe(
  claimed: ClaimedInstance,
  sighting: Sighting,
  limits: ReadinessLimits,
): ObservationRow {
  const base = {
    projectId: claimed.projectId,
    id: claimed.id,
    provisionRequestId: claimed.provisionRequestId,
    polls: claimed.polls,
    ran: false,
    name: null,
    serverId: null,
    imageId: null,
    networkInterfaces: null,
    upstreamState: null,
    errorCode: null,
    errorMessage: null,
  }
  const failed = (errorCode: string, errorMessage: string) => ({
    state: 'failed' as const,
    errorCode,
    errorMessage,
  })
  const late = claimed.ageMs >= limits.provisionTimeoutMs

  if (claimed.ranMs !== null || (sighting !== 'not_found' && sighting.state === 'running')) {
    const seen = sighting === 'not_found' ? base : { ...base, ...shownOf(sighting) }
    const isListed = seen.serverId !== null && sighting !== 'not_found' && sighting.state !== 'pending'
    const isLate = (claimed.ranMs ?? 0) >= limits.serverWaitMs
    return { ...seen, ran: true, state: isListed || isLate ? 'running' : 'pending' }
  }
  if (sighting === 'not_found') {
    if (claimed.ageMs >= limits.visibilityMs) {
      return { ...base, ...failed(INSTANCE_NOT_FOUND, 'CloudDC does not know the instance any more') }
    }
    return late ? { ...base, ...timeout(limits) } : { ...base, state: 'pending' }
  }
  const seen = { ...base, ...shownOf(sighting) }
  switch (sighting.state) {
    case 'failed':
      return {
        ...seen,
        ...failed(
          sighting.error?.code ?? 'instance_failed',
          sighting.error?.message ?? 'CloudDC reports a failure',
        ),
      }
    case 'gone':
      return { ...seen, ...failed('instance_terminated', 'the instance was terminated before it ran') }
    default:
      return late ? { ...seen, ...timeout(limits) } : { ...seen, state: 'pending' }
  }
}

function shownOf(sighting: Exclude<Sighting, 'not_found'>) {
  const { name, serverId, imageId, networkInterfaces, upstreamState } = sighting
  return { name, serverId, imageId, networkInterfaces, upstreamState }
}

function timeout({ provisionTimeoutMs }: ReadinessLimits) {
  return {
    state: 'failed' as const,
    errorCode: 'provision_timeout',
    errorMessage: `the instance was not running ${provisionTimeoutMs} ms after its creation`,
  }
}
