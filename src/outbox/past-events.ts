import type { EventKind } from '../contracts/event-schemas.ts'
import type { Event } from '../contracts/events.ts'
import type { Database } from '../database/database.ts'
import { parseHistory } from '../request/history.ts'
import { byId } from '../runtime/by-id.ts'
import { NIL_UUID, uuidAt } from '../runtime/uuid.ts'
import { type EndedInstanceRow, readEndedInstances } from './read-facts.sql.ts'
import { eventOf, instanceEventOf, type RequestFacts } from './render-events.ts'

/** Which events are wanted; all conditions hold. */
export interface PastEvents {
  /** Their time is not before `from`, and before `to`. */
  from: Date
  to: Date
  projectId?: string | undefined
  /** Within the project. */
  requestId?: string | undefined
  kinds?: ReadonlySet<EventKind> | undefined
}

/** Requests looked at by one read, of which only the times are read. */
const PAGE = 500
/** Requests whose rows are read at once. */
const CHUNK = 50

/** Some requests' events, and how far those that were read go. */
export interface EventsRead {
  requests: Event[][]
  /** Row id of the last request that was looked at. */
  upTo: string
}

/**
 * The events of requests that are still stored, made of their rows again. Yields some requests at a time, each with its
 * events in the order in which they were published first; the requests come in the order in which they were stored.
 * `after`: the row id to go on after.
 */
export async function* readPastEvents(
  database: Database,
  wanted: PastEvents,
  after: string = NIL_UUID,
): AsyncGenerator<EventsRead> {
  for await (const { ids, upTo } of changedRequests(database, wanted, after)) {
    for (let start = 0; start < ids.length; start += CHUNK) {
      const chunk = ids.slice(start, start + CHUNK)
      yield { requests: await eventsOf(database, chunk, wanted), upTo: chunk.at(-1) ?? upTo }
    }
    yield { requests: [], upTo }
  }
}

/** Requests looked at for a sample. */
const SAMPLED = 100
/** By how much the clock that made a request's id may have been ahead of the database's. */
const CLOCKS_APART_MS = 3_600_000

/** One of the wanted events, of a request among the newest in that time; null where these have none. */
export async function findSample(database: Database, wanted: PastEvents): Promise<Event | null> {
  const newest = await database.prisma.provisionRequest.findMany({
    where: { ...keysOf(wanted), id: { lt: uuidAt(wanted.to.getTime() + CLOCKS_APART_MS) } },
    select: TIMES,
    orderBy: { id: 'desc' },
    take: SAMPLED,
  })
  const ids = changedOf(newest, wanted)
  const events = ids.length === 0 ? [] : await eventsOf(database, ids, wanted)
  return events.flat()[0] ?? null
}

/** The index of ids is walked: there is none of times. */
async function* changedRequests(
  { prisma }: Database,
  wanted: PastEvents,
  start: string,
): AsyncGenerator<{ ids: string[]; upTo: string }> {
  let after = start
  for (;;) {
    const page = await prisma.provisionRequest.findMany({
      where: { ...keysOf(wanted), id: { gt: after } },
      select: TIMES,
      orderBy: { id: 'asc' },
      take: PAGE,
    })
    const last = page.at(-1)
    if (last === undefined) return
    yield { ids: changedOf(page, wanted), upTo: last.id }
    if (page.length < PAGE) return
    after = last.id
  }
}

const TIMES = { id: true, createdAt: true, updatedAt: true } as const

const keysOf = ({ projectId, requestId }: PastEvents) => ({
  ...(projectId && { projectId }),
  ...(requestId && { requestId }),
})

/** Ids of those requests that may have changed in that time. */
function changedOf(
  requests: readonly { id: string; createdAt: Date; updatedAt: Date }[],
  { from, to }: PastEvents,
): string[] {
  return requests
    .filter(({ createdAt, updatedAt }) => createdAt < to && updatedAt >= from)
    .map(({ id }) => id)
}

async function eventsOf(database: Database, ids: string[], wanted: PastEvents): Promise<Event[][]> {
  const requests = await database.prisma.provisionRequest.findMany({
    where: { id: { in: ids } },
    select: {
      id: true,
      projectId: true,
      requestId: true,
      correlationId: true,
      traceparent: true,
      tracestate: true,
      minCount: true,
      maxCount: true,
      history: true,
      instanceIds: true,
    },
    orderBy: { id: 'asc' },
  })
  const parts = await database.prisma.historyPart.findMany({
    where: { provisionRequestId: { in: ids } },
    orderBy: { version: 'asc' },
  })
  const owned = requests.flatMap(({ projectId, instanceIds }) => instanceIds.map((id) => ({ projectId, id })))
  const instances = owned.length === 0 ? [] : await readEndedInstances(database.throughPrisma, owned)
  const byKey = new Map(instances.map((instance) => [`${instance.projectId}/${instance.id}`, instance]))

  return requests.map(({ instanceIds, ...request }) => {
    const older = parts.filter(({ provisionRequestId }) => provisionRequestId === request.id)
    const history = [...older.map((part) => part.history), request.history]
    const ended = instanceIds.flatMap((id) => byKey.get(`${request.projectId}/${id}`) ?? [])
    return eventsOfRequest(request, history, ended, wanted)
  })
}

/** By version; those of instances before that of their request, as the relay sends them. */
function eventsOfRequest(
  request: RequestFacts,
  history: readonly string[],
  ended: readonly EndedInstanceRow[],
  { from, to, kinds }: PastEvents,
): Event[] {
  const isInTime = (at: number) => at >= from.getTime() && at < to.getTime()
  const ofInstances = ended
    .filter(({ endedAt }) => isInTime(endedAt))
    .toSorted(byId)
    .map((instance) => ({
      version: instance.endedVersion,
      event: instanceEventOf(request, instance.endedVersion, instance),
    }))
  const ofRequest = parseHistory(history)
    .filter(({ at }) => isInTime(at))
    .map((entry) => ({ version: entry.v, event: eventOf(request, entry) }))
  return [...ofInstances, ...ofRequest]
    .toSorted((one, other) => one.version - other.version)
    .flatMap(({ event }) => (event !== null && (kinds?.has(event.kind) ?? true) ? [event] : []))
}
