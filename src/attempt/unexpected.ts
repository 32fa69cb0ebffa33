import type { UpstreamInstance } from '../clouddc/wire.ts'
import { type AttemptOutcome, type HistoryEntry, parseHistory } from '../request/history.ts'
import type { UnexpectedRow } from './add-instances.sql.ts'
import type { MarkedInstance, NamedRequest } from './find-unexpected.sql.ts'
import { attemptMarker, carriedMarkers, placeMarker, type StoredSpec } from './marker.ts'
import { markedBy } from './matching.ts'

const CAUSE = 'unexpected_instances'

/** Instances that turned up after an attempt's outcome was settled without them, and their record. */
export interface UnexpectedInstances {
  row: UnexpectedRow
  request: Pick<NamedRequest, 'projectId' | 'requestId' | 'state'>
  outcome: AttemptOutcome
  instanceIds: readonly string[]
  /** Together with what is known, more than the order asked for. */
  isDuplicate: boolean
}

/** The instances of a listing with markers of this installation, once for each marker. */
export function markedInstances(
  instances: readonly UpstreamInstance[],
  installation: string,
): MarkedInstance[] {
  return instances.flatMap((instance) =>
    carriedMarkers(instance)
      .filter((marker) => (marker.installation ?? installation) === installation)
      .map(({ provisionRequestId: id, attempt, requestId }) => ({
        ...{ instanceId: instance.id, id, attempt, requestId },
      })),
  )
}

/**
 * What is to be written down of a request's instances that no row knows: those of its first attempt, by number, that has
 * any which its history does not tell of yet; null when there are none. One attempt at a time, since each record raises
 * the version. They belong to the request when the attempt made others; of one that made none, they are only told of.
 * Pure.
 */
export function unexpectedOf(
  request: NamedRequest,
  listed: ReadonlyMap<string, UpstreamInstance>,
  installation: string,
): UnexpectedInstances | null {
  const entries = parseHistory(request.history)
  const spec: StoredSpec = JSON.parse(request.spec)
  for (const [attempt, outcome] of outcomesOf(entries)) {
    if (outcome === 'uncertain') continue
    const told = entries.filter((entry) => entry.attempt === attempt).flatMap(unexpectedIn)
    const name = { provisionRequestId: request.id, attempt, installation, requestId: request.requestId }
    const written = placeMarker(spec, attemptMarker(name))
    const instanceIds = request.instanceIds.filter((id) => {
      const instance = listed.get(id)
      return instance !== undefined && markedBy({ spec, written }, instance) === 'own' && !told.includes(id)
    })
    if (instanceIds.length === 0) continue
    const belongs = outcome === 'created' || outcome === 'adopted'
    const added = belongs ? instanceIds : []
    const evidence = { unexpected: [...told, ...instanceIds] }
    const change = { cause: CAUSE, attempt, evidence, ...(belongs ? { instances: instanceIds } : {}) }
    const { id, version, createdCount, absentCount, maxCount } = request
    return {
      ...{ request, outcome, instanceIds },
      row: { id, version, attempt, change, instanceIds: added },
      isDuplicate: !belongs || createdCount - absentCount + added.length > maxCount,
    }
  }
  return null
}

/** By number, what became of each attempt that has an outcome. */
function outcomesOf(entries: readonly HistoryEntry[]): Map<number, AttemptOutcome> {
  const outcomes = new Map<number, AttemptOutcome>()
  for (const { attempt, outcome } of entries)
    if (attempt !== undefined && outcome !== undefined) outcomes.set(attempt, outcome)
  return outcomes
}

function unexpectedIn({ cause, evidence }: HistoryEntry): string[] {
  if (cause !== CAUSE) return []
  const { unexpected = [] } = evidence as { unexpected?: string[] }
  return unexpected
}
