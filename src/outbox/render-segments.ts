import type { Event } from '../contracts/events.ts'
import type { Sql } from '../database/database.ts'
import { firstVersion } from '../request/history.ts'
import { type EndedInstanceRow, readEndedInstances, readParts, readRequestFacts } from './read-facts.sql.ts'
import { type RequestFacts, renderEvents } from './render-events.ts'
import type { ChangeRef, Segment } from './segment.ts'

/** What changes are rendered from. */
interface Facts {
  requests: ReadonlyMap<string, RequestFacts>
  /** By project and id (keyOf). */
  instances: ReadonlyMap<string, EndedInstanceRow>
  /** Parts of histories by request and version (keyOf). */
  parts: ReadonlyMap<string, string>
}

/**
 * The events of each segment, in order, from rows read for all of them at once. A change whose rows do not make events is told
 * and left out, so that it holds up no other.
 */
export async function renderSegments(
  sql: Sql,
  segments: readonly Segment[],
  onLost: (change: ChangeRef, error: unknown) => void,
): Promise<Event[][]> {
  const facts = await readFacts(
    sql,
    segments.flatMap(({ refs }) => refs),
  )
  const eventsOf = (change: ChangeRef): Event[] => {
    try {
      return renderChange(facts, change)
    } catch (error) {
      onLost(change, error)
      return []
    }
  }
  return segments.map(({ refs, rejected }) => [...rejected, ...refs.flatMap(eventsOf)])
}

async function readFacts(sql: Sql, refs: readonly ChangeRef[]): Promise<Facts> {
  const ids = [...new Set(refs.map(({ id }) => id))]
  const found = ids.length === 0 ? [] : await readRequestFacts(sql, ids)
  const requests = new Map(found.map((request) => [request.id, request]))

  const ended = refs.flatMap(({ id, instanceIds }) => {
    const projectId = requests.get(id)?.projectId
    return projectId === undefined ? [] : instanceIds.map((instanceId) => ({ projectId, id: instanceId }))
  })
  const instances = ended.length === 0 ? [] : await readEndedInstances(sql, ended)

  const parted = refs.filter(({ id, version }) => version < firstVersion(requests.get(id)?.history ?? ''))
  const parts = parted.length === 0 ? [] : await readParts(sql, parted)

  return {
    requests,
    instances: new Map(instances.map((instance) => [keyOf(instance.projectId, instance.id), instance])),
    parts: new Map(parts.map(({ id, version, history }) => [keyOf(id, version), history])),
  }
}

function renderChange(
  { requests, instances, parts }: Facts,
  { id, version, instanceIds }: ChangeRef,
): Event[] {
  const request = requests.get(id)
  if (request === undefined) throw new Error('the request is not there any more')
  const ended = instanceIds.map((instanceId) => {
    const instance = instances.get(keyOf(request.projectId, instanceId))
    if (instance === undefined) throw new Error(`its instance ${instanceId} is not there, or has not ended`)
    return instance
  })
  const part = parts.size === 0 ? undefined : parts.get(keyOf(id, version))
  return renderEvents(part === undefined ? request : { ...request, history: part }, version, ended)
}

function keyOf(owner: string, of: string | number): string {
  return `${owner}/${of}`
}
