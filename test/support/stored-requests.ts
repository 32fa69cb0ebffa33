import { historyOf } from '../../src/api/history-reply.ts'
import type { Database } from '../../src/database/database.ts'
import { type InstanceFacts, renderEvents } from '../../src/outbox/render-events.ts'
import { parseHistory } from '../../src/request/history.ts'

/** A request with its instances and attempts, as its rows tell of them; `attempt` is the last one. */
export async function readRequest(database: Database, id: string) {
  const { provisionRequest, historyPart, instance, look } = database.prisma
  const row = await provisionRequest.findUniqueOrThrow({ where: { id } })
  const where = { provisionRequestId: id }
  const parts = await historyPart.findMany({ where, orderBy: { version: 'asc' } })
  const texts = [...parts.map(({ history }) => history), row.history]
  const looks = await look.findMany({ where })
  const entries = parseHistory(texts)
  const doubts = looks
    .filter(({ purpose }) => purpose === 'doubt')
    .map(({ dueAt, ...doubt }) => ({ ...doubt, dueAtMs: dueAt.getTime() }))
  const { history } = historyOf({ id, parts: texts, truncated: false, looks: doubts }, entries.length)
  const attemptRecords = history.flatMap((shown) => {
    if (shown.kind !== 'attempt') return []
    const own = looks.find(({ attempt }) => attempt === shown.attempt)
    const doubted = entries.find(
      ({ attempt, outcome }) => attempt === shown.attempt && outcome === 'uncertain',
    )
    return [
      {
        key: shown.attempt_id,
        state: shown.state,
        evidence: shown.evidence,
        errorCode: shown.evidence?.error_code ?? null,
        uncertainAt: doubted === undefined ? null : new Date(doubted.at),
        finishedAt: shown.finished_at,
        reconcileAt: own?.purpose === 'doubt' ? own.dueAt : null,
        auditAt: own?.purpose === 'audit' ? own.dueAt : null,
        listingsWithout: Number(shown.evidence?.listings_without ?? 0),
      },
    ]
  })
  const instances = await instance.findMany({ where })
  return { ...row, entries, instances, attemptRecords, attempt: attemptRecords.at(-1) }
}

/** The events that the outbox owes, in order, of one request or all: kind and data. */
export async function readOwedEvents(database: Database, requestId?: string) {
  const { outboxSegment, provisionRequest, historyPart, instance } = database.prisma
  const segments = await outboxSegment.findMany({ orderBy: { position: 'asc' } })
  const refs = segments.flatMap(
    (segment) => JSON.parse(`[${segment.refs ?? ''}]`) as [string, number, ...string[]][],
  )
  const events = []
  for (const [id, version, ...instanceIds] of refs) {
    const row = await provisionRequest.findUniqueOrThrow({ where: { id } })
    if (requestId !== undefined && row.requestId !== requestId) continue
    const parts = await historyPart.findMany({ where: { provisionRequestId: id } })
    const history = [...parts.map((part) => part.history), row.history].join('')
    const ended = await instance.findMany({ where: { projectId: row.projectId, id: { in: instanceIds } } })
    events.push(...renderEvents({ ...row, history }, version, ended as unknown as InstanceFacts[]))
  }
  return events.map(({ kind, body }) => ({ kind, data: JSON.parse(body).data as Record<string, unknown> }))
}
