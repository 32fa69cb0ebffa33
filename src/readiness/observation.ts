import type { UpstreamInstance } from '../clouddc/wire.ts'
import { INSTANCE_NOT_FOUND } from '../request/instance.ts'
import { digestOf, type MemberLimits, type PollMember, type Shown } from './poll-member.ts'

/** What a poll found of one instance: its record, or that CloudDC does not know it. */
export type Sighting =
  | Pick<
      UpstreamInstance,
      | 'name'
      | 'serverId'
      | 'imageId'
      | 'networkInterfaces'
      | 'state'
      | 'upstreamState'
      | 'error'
      | 'createdAt'
      | 'launchedAt'
    >
  | 'not_found'

/** In milliseconds. */
export interface ReadinessLimits extends MemberLimits {
  /** How long a new instance may be missing from CloudDC's answers. */
  visibilityMs: number
}

/** What a sighting says of a pending instance. */
export interface Observation extends Shown {
  /** As the poll held it. */
  member: PollMember
  state: 'pending' | 'running' | 'failed'
  /** CloudDC says, or has said, that it runs. Pending then means that it waits to be listed so. */
  ran: boolean
  errorCode: string | null
  errorMessage: string | null
  /** Digest of what is shown; the member's own where it was not found. */
  seen: string | null
}

const NOTHING_SHOWN: Shown = {
  name: null,
  serverId: null,
  imageId: null,
  networkInterfaces: null,
  upstreamState: null,
}

/**
 * What a sighting says: pure. `askedMs`: when it was asked for, in milliseconds since 1970 on the database's clock.
 *
 * Running and failed are final; gone means terminated while we waited. Absence
 * counts only after `visibilityMs`, and the time limits only on an answer: an unreachable upstream ends nothing.
 * An instance that ran never fails: it is running once it is listed with its server, and not as pending, when its
 * addresses may not be known yet; or once that has been waited for long enough.
 */
export function observe(
  member: PollMember,
  askedMs: number,
  sighting: Sighting,
  limits: ReadinessLimits,
): Observation {
  const isFound = sighting !== 'not_found'
  const shown = isFound ? shownOf(sighting) : NOTHING_SHOWN
  const seen = isFound ? digestOf(shown) : member.seen
  const pending = {
    ...shown,
    ...{ member, seen, state: 'pending' as const, ran: false, errorCode: null, errorMessage: null },
  }
  const failed = (errorCode: string, errorMessage: string) => ({
    ...pending,
    ...{ state: 'failed' as const, errorCode, errorMessage },
  })
  const ageMs = askedMs - member.createdMs

  if (member.ranMs !== null || (isFound && sighting.state === 'running')) {
    const isListed = isFound && sighting.serverId !== null && sighting.state !== 'pending'
    const isLate = member.ranMs !== null && askedMs - member.ranMs >= limits.serverWaitMs
    return { ...pending, ran: true, state: isListed || isLate ? 'running' : 'pending' }
  }
  if (isFound && sighting.state === 'failed') {
    return failed(
      sighting.error?.code ?? 'instance_failed',
      sighting.error?.message ?? 'CloudDC reports a failure',
    )
  }
  if (isFound && sighting.state === 'gone')
    return failed('instance_terminated', 'the instance was terminated before it ran')
  if (!isFound && ageMs >= limits.visibilityMs)
    return failed(INSTANCE_NOT_FOUND, 'CloudDC does not know the instance any more')
  if (ageMs >= limits.provisionTimeoutMs)
    return failed(
      'provision_timeout',
      `the instance was not running ${limits.provisionTimeoutMs} ms after its creation`,
    )
  return pending
}

/** Whether it differs from what is recorded. */
export function isNews({ member, state, ran, seen }: Observation): boolean {
  return state !== 'pending' || ran !== (member.ranMs !== null) || seen !== member.seen
}

/** Whether it is the first to say that the instance runs, without listing it so. */
export function beginsToWait({ member, state, ran }: Observation): boolean {
  return state === 'pending' && ran && member.ranMs === null
}

function shownOf(sighting: Exclude<Sighting, 'not_found'>): Shown {
  const { name, serverId, imageId, networkInterfaces, upstreamState } = sighting
  return { name, serverId, imageId, networkInterfaces, upstreamState }
}
