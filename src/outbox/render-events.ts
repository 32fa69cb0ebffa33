import type { NetworkInterface } from '../contracts/event-schemas.ts'
import {
  type Event,
  type EventMoment,
  instanceFailed,
  instanceRunning,
  requestAccepted,
  requestCompleted,
  requestDispatched,
  requestUncertain,
  type StoredSubject,
} from '../contracts/events.ts'
import { entryOf, type HistoryEntry } from '../request/history.ts'
import { isTerminal } from '../request/provision-request.ts'
import { byId } from '../runtime/by-id.ts'

/** A request as events need it. */
export interface RequestFacts extends StoredSubject {
  minCount: number
  maxCount: number
  /** Its row's text, or the part that holds the version asked for. */
  history: string
}

/** An instance that has ended; times in milliseconds since 1970. */
export interface InstanceFacts {
  id: string
  state: 'running' | 'failed'
  name: string | null
  serverId: string | null
  imageId: string | null
  networkInterfaces: NetworkInterface[] | null
  runningAt: number | null
  errorCode: string | null
  errorMessage: string | null
  endedAt: number
}

/**
 * The events that one change of a request owes, in order: those of the instances that ended with it, by their ids, then
 * its own. Pure, and the only way an event comes about: the relay and a replay render the same rows to the same events.
 */
export function renderEvents(
  request: RequestFacts,
  version: number,
  ended: readonly InstanceFacts[],
): Event[] {
  const entry = entryOf(request.history, version)
  if (entry === undefined && ended.length === 0) throw new Error(`version ${version} has left no trace`)
  const own = entry === undefined ? null : eventOf(request, entry)
  const events = ended.toSorted(byId).map((instance) => instanceEventOf(request, version, instance))
  return own === null ? events : [...events, own]
}

/** The event that an entry of a history owes; null for a change that consumers are not told of. */
export function eventOf(request: RequestFacts, entry: HistoryEntry): Event | null {
  const { to, cause, attempt = 0, outcome, instances, counts, error = null } = entry
  const moment: EventMoment = { version: entry.v, at: entry.at }
  if (to !== undefined && isTerminal(to)) {
    const { minCount: min, maxCount: max } = request
    return requestCompleted(request, moment, {
      state: to as Parameters<typeof requestCompleted>[2]['state'],
      counts: counts ?? { min, max, created: 0, running: 0, failed: 0 },
      error,
    })
  }
  if (entry.v === 1) return requestAccepted(request, moment, { state: 'queued' })
  if (instances !== undefined) return requestDispatched(request, moment, { instanceIds: instances, attempt })
  // Instances of an attempt that was said to have created none leave the state as it was.
  if (outcome === 'uncertain' || to === undefined)
    return requestUncertain(request, moment, { attempt, reason: cause })
  return null
}

/** The event of an instance that ended with this version of its request. */
export function instanceEventOf(request: RequestFacts, version: number, instance: InstanceFacts): Event {
  const { id: instanceId, state, endedAt, runningAt, errorCode, errorMessage } = instance
  const moment = { version, at: endedAt }
  if (state === 'running' && runningAt !== null)
    return instanceRunning(request, moment, { ...instance, instanceId, runningAt })
  const error = { code: errorCode ?? 'instance_failed', message: errorMessage ?? '' }
  return instanceFailed(request, moment, { instanceId, error })
}
