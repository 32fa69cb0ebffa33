import type { UpstreamInstance } from '../clouddc/wire.ts'
import type { ProvisionSpec } from '../contracts/spec.ts'
import { readNamed } from './look-evidence.ts'
import { attemptMarkers, type MarkerPlace, markerPlace, type StoredSpec } from './marker.ts'

/** How far CloudDC's clock may be behind ours, at the most, when it says that an instance is older than an attempt. */
const CLOCK_SKEW_MS = 10 * 60_000

/** What a reconciler looks for: an attempt, and what its call would have created. */
export interface SearchTarget {
  attemptId: string
  /** Where the call wrote the attempt's id. */
  place: MarkerPlace
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

export function soughtOf(attempt: {
  attemptId: string
  spec: StoredSpec
  minCount: number
  maxCount: number
  evidence: unknown
  startedAt: Date
}): SearchTarget {
  const { attemptId, spec, minCount, maxCount, evidence, startedAt } = attempt
  const { placement } = spec as ProvisionSpec
  const servers = [...new Set(placement?.server_id_set ?? [])]
  return {
    attemptId,
    place: markerPlace(spec),
    least: placement === undefined ? minCount : servers.length,
    expected: placement === undefined ? maxCount : servers.length,
    named: readNamed(evidence),
    servers,
    spec,
    startedAt,
  }
}

/** The instances that carry the attempt's id where its call wrote it, and that no other attempt is known to own. */
export function findOwn(
  { attemptId, place }: SearchTarget,
  instances: readonly UpstreamInstance[],
  known: KnownInstances,
): UpstreamInstance[] {
  if (place === 'none') return []
  return instances.filter(
    (instance) =>
      markerOf(instance, place) === attemptId && (known.get(instance.id) ?? attemptId) === attemptId,
  )
}

/** Of the instances that the answer named, those that are not another attempt's, by its row or by its id in them. */
export function findNamed(
  { attemptId, place, named }: SearchTarget,
  instances: readonly UpstreamInstance[],
  known: KnownInstances,
): string[] {
  const listed = new Map(instances.map((instance) => [instance.id, instance]))
  return named.filter((id) => {
    const instance = listed.get(id)
    const marker = instance === undefined || place === 'none' ? undefined : markerOf(instance, place)
    return (marker ?? attemptId) === attemptId && (known.get(id) ?? attemptId) === attemptId
  })
}

function markerOf(instance: UpstreamInstance, place: MarkerPlace): string | undefined {
  const markers = attemptMarkers(instance)
  // Where there are two, metadata comes first; one of them is then the sender's own text.
  return markers.length < 2 || place === 'metadata' ? markers[0] : markers[1]
}

/**
 * The instances that a call without a marker may have created: unknown to the service, made since the call, and like
 * the request in all that it said about them. What CloudDC does not tell counts as alike, so that an empty result is
 * evidence of absence; a result is no proof of anything.
 */
export function findLookalikes(
  { attemptId, servers, spec, startedAt }: SearchTarget,
  instances: readonly UpstreamInstance[],
  known: KnownInstances,
): UpstreamInstance[] {
  const { name, metadata = {}, description = '' } = spec as ProvisionSpec
  return instances.filter((instance) => {
    if ((known.get(instance.id) ?? attemptId) !== attemptId) return false
    if (instance.name !== null && instance.name !== name) return false
    if (instance.description !== null && instance.description !== description) return false
    if (Object.keys(instance.metadata).length > 0 && !hasSamePairs(instance.metadata, metadata)) return false
    if (instance.serverId !== null && servers.length > 0 && !servers.includes(instance.serverId)) return false
    const createdAt = Date.parse(instance.createdAt ?? '')
    return Number.isNaN(createdAt) || createdAt >= startedAt.getTime() - CLOCK_SKEW_MS
  })
}

/**
 * Tells the instances of a listing that matter for the sought attempts: those with the id of any attempt in them, those
 * that an answer named, and, where an attempt has no marker, all that share its name.
 */
export function relevanceTo(sought: readonly SearchTarget[]): (instance: UpstreamInstance) => boolean {
  const names = new Set(sought.filter(({ place }) => place === 'none').map(({ spec }) => spec.name))
  const named = new Set(sought.flatMap((attempt) => attempt.named))
  return (instance) =>
    named.has(instance.id) ||
    attemptMarkers(instance).length > 0 ||
    (names.size > 0 && (instance.name === null || names.has(instance.name)))
}

function hasSamePairs(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(a)
  return (
    keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && a[key] === b[key])
  )
}
