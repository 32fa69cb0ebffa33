import type { UpstreamInstance } from '../clouddc/wire.ts'
import type { ProvisionSpec } from '../contracts/spec.ts'
import {
  attemptMarker,
  carriedMarkers,
  MARKER_KEY,
  type Marked,
  markersBeside,
  placeMarker,
  type StoredSpec,
  type WrittenMarker,
} from './marker.ts'
import type { OpenDoubt } from './open-doubt.ts'

/** How far CloudDC's clock may be behind ours, at the most, when it says that an instance is older than an attempt. */
const CLOCK_SKEW_MS = 10 * 60_000

/** What a reconciler looks for: an attempt, and what its call would have created. */
export interface SearchTarget {
  /** The attempt among all others (attemptKey). */
  key: string
  /** The marker that the call wrote, and where. */
  written: WrittenMarker
  /** The fewest instances a call creates, if any, and the most: what its 202 promises to name. */
  least: number
  expected: number
  /** What a 202 has named that broke this promise. */
  named: readonly string[]
  /** The servers that were selected; empty when CloudDC was to choose. */
  servers: readonly string[]
  spec: StoredSpec
  startedAt: Date
}

/** Which attempt each known instance belongs to: by id, of the instances that the service has a row for. */
export type KnownInstances = ReadonlyMap<string, string>

/** `installation`: this one's own name. */
export function soughtOf(
  doubt: Pick<
    OpenDoubt,
    'id' | 'attempt' | 'key' | 'requestId' | 'spec' | 'minCount' | 'maxCount' | 'named' | 'startedAt'
  >,
  installation: string,
): SearchTarget {
  const {
    id: provisionRequestId,
    attempt,
    key,
    requestId,
    spec,
    minCount,
    maxCount,
    named,
    startedAt,
  } = doubt
  const { placement } = spec as ProvisionSpec
  const servers = [...new Set(placement?.server_id_set ?? [])]
  return {
    key,
    written: placeMarker(spec, attemptMarker({ provisionRequestId, attempt, installation, requestId })),
    least: placement === undefined ? minCount : servers.length,
    expected: placement === undefined ? maxCount : servers.length,
    named,
    servers,
    spec,
    startedAt,
  }
}

/**
 * Whose marker an instance carries: that of the attempt, as its call wrote it, any other, or none. What the sender of
 * the order wrote himself is no marker; but one that he copied from an instance of another order does not make that
 * order's what carries a marker of its own besides.
 */
export function markedBy(
  { spec, written }: Pick<SearchTarget, 'spec' | 'written'>,
  instance: Marked,
): 'own' | 'other' | 'none' {
  const markers = markersBeside(spec, instance)
  if (markers.length === 0) return 'none'
  return markers.every(({ place, text }) => place === written.place && text === written.text)
    ? 'own'
    : 'other'
}

/** The instances that carry the attempt's marker, and that no other attempt is known to own. */
export function findOwn(
  target: SearchTarget,
  instances: readonly UpstreamInstance[],
  known: KnownInstances,
): UpstreamInstance[] {
  const { place, text } = target.written
  if (text === null) return []
  // Most instances of a large listing are told apart by this alone.
  const mayBeOwn = ({ metadata, description }: Marked) =>
    (place === 'metadata' ? metadata[MARKER_KEY] : description)?.endsWith(text)
  return instances.filter(
    (instance) =>
      mayBeOwn(instance) && markedBy(target, instance) === 'own' && isFree(target, instance.id, known),
  )
}

/** Of the instances that the answer named, those that are not another attempt's, by row or by marker. */
export function findNamed(
  target: SearchTarget,
  instances: readonly UpstreamInstance[],
  known: KnownInstances,
): string[] {
  const listed = new Map(instances.map((instance) => [instance.id, instance]))
  return target.named.filter((id) => {
    const instance = listed.get(id)
    const isOther = instance !== undefined && markedBy(target, instance) === 'other'
    return !isOther && isFree(target, id, known)
  })
}

/** No other attempt is known to own it. */
function isFree({ key }: SearchTarget, instanceId: string, known: KnownInstances): boolean {
  return (known.get(instanceId) ?? key) === key
}

/**
 * The instances that a call without a marker may have created: unknown to the service, made since the call, and like
 * the request in all that it said about them. What CloudDC does not tell counts as alike, so that an empty result is
 * evidence of absence; a result is no proof of anything.
 */
export function findLookalikes(
  target: SearchTarget,
  instances: readonly UpstreamInstance[],
  known: KnownInstances,
): UpstreamInstance[] {
  const { servers, spec, startedAt } = target
  const { name, metadata = {}, description = '' } = spec as ProvisionSpec
  return instances.filter((instance) => {
    if (!isFree(target, instance.id, known)) return false
    if (instance.name !== null && instance.name !== name) return false
    if (instance.description !== null && instance.description !== description) return false
    if (Object.keys(instance.metadata).length > 0 && !hasSamePairs(instance.metadata, metadata)) return false
    if (instance.serverId !== null && servers.length > 0 && !servers.includes(instance.serverId)) return false
    const createdAt = Date.parse(instance.createdAt ?? '')
    return Number.isNaN(createdAt) || createdAt >= startedAt.getTime() - CLOCK_SKEW_MS
  })
}

/**
 * Tells the instances of a listing that matter for the sought attempts: those with a marker of this installation, those
 * that an answer named, and, where an attempt has no marker, all that share its name.
 */
export function relevanceTo(
  sought: readonly SearchTarget[],
  installation: string,
): (instance: UpstreamInstance) => boolean {
  const unmarked = sought.filter(({ written }) => written.place === 'none')
  const names = new Set(unmarked.map(({ spec }) => spec.name))
  const named = new Set(sought.flatMap((attempt) => attempt.named))
  return (instance) =>
    named.has(instance.id) ||
    carriedMarkers(instance).some((marker) => (marker.installation ?? installation) === installation) ||
    (names.size > 0 && (instance.name === null || names.has(instance.name)))
}

function hasSamePairs(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(a)
  return (
    keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && a[key] === b[key])
  )
}
