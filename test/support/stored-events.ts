import type { Event } from '../../src/contracts/events.ts'
import type { Database } from '../../src/database/database.ts'
import { type InstanceFacts, renderEvents } from '../../src/outbox/render-events.ts'

/** The events that the outbox owes for stored requests, of one or all, in order. */
export async function storedEvents(database: Database, requestRow?: string): Promise<Event[]> {
  const segments = await database.prisma.outboxSegment.findMany({ orderBy: { position: 'asc' } })
  const refs = segments.flatMap(
    ({ refs }) => JSON.parse(`[${refs ?? ''}]`) as [string, number, ...string[]][],
  )
  const events: Event[] = []
  for (const [id, version, ...ids] of refs) {
    if (requestRow !== undefined && id !== requestRow) continue
    const request = await database.prisma.provisionRequest.findUniqueOrThrow({ where: { id } })
    const { projectId } = request
    const parts = await database.prisma.historyPart.findMany({
      where: { provisionRequestId: id, version: { gte: version } },
      orderBy: { version: 'asc' },
      take: 1,
    })
    const ended = await Promise.all(
      ids.map((instanceId) =>
        database.prisma.instance.findUniqueOrThrow({
          where: { projectId_id: { projectId, id: instanceId } },
        }),
      ),
    )
    const facts = { ...request, history: parts[0]?.history ?? request.history }
    events.push(...renderEvents(facts, version, ended as unknown as InstanceFacts[]))
  }
  return events
}
