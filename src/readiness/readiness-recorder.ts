import { demandAudits } from '../attempt/demand-audits.sql.ts'
import type { Sql, ThroughPrisma } from '../database/database.ts'
import { INSTANCE_NOT_FOUND } from '../request/instance.ts'
import type { RequestState } from '../request/provision-request.ts'
import { requestKey } from '../request/request-key.ts'
import { findPending } from './find-pending.sql.ts'
import { type KnownNews, type News, rowsOf } from './news.ts'
import type { MemberLimits } from './poll-member.ts'
import { recordObservations } from './record-observations.sql.ts'

/** Each next one means that another change of the same request came first. */
const MOST_TRIES = 10

export interface RecordTimes extends MemberLimits {
  /** From the first answer that an instance runs to the next poll, where it is not listed so, in milliseconds. */
  waitingPollMs: number
}

export interface RecordedReadiness {
  /** The instances that ended with this record, with the time from their creation until they ran or failed. */
  ended: { state: 'running' | 'failed'; ageMs: number }[]
  /** The states that requests ended in with this record. */
  completed: RequestState[]
  /** Keys of the requests with events: `<project id>/<request id>`. */
  changed: string[]
}

/**
 * Records news, the counts and completion of their requests, and all events; their polls keep the members that are
 * still pending. News of a poll that is not held any more is left out. The attempts of instances that do not exist
 * are audited.
 *
 * The decision rests on the requests as they were read. Where one has changed meanwhile, what is left of its polls is
 * read and decided again: the next poll of it would cost a call.
 */
export async function recordReadiness(
  database: Sql & ThroughPrisma,
  news: readonly News[],
  times: RecordTimes,
): Promise<RecordedReadiness> {
  const ended: RecordedReadiness['ended'] = []
  const completed: RequestState[] = []
  const changed = new Set<string>()
  let open = news
  for (let tries = 1; open.length > 0; tries += 1) {
    if (tries > MOST_TRIES)
      throw new Error('requests change faster than the ends of instances can be recorded')
    const known = await findKnown(database, open)
    await demandAudits(
      database,
      known
        .filter(({ observation }) => observation.errorCode === INSTANCE_NOT_FOUND)
        .map(({ facts }) => facts),
    )
    const rows = rowsOf(open, known, times)
    const recorded = await recordObservations(database, rows, times)
    const still = new Set(recorded.held)
    const won = new Set(recorded.changed)
    for (const { facts, poll, observation } of known) {
      const { state, member } = observation
      if (state === 'pending' || !won.has(facts.provisionRequestId)) continue
      ended.push({ state, ageMs: (member.ranMs ?? poll.claimedMs) - member.createdMs })
      changed.add(requestKey(facts))
    }
    completed.push(...rows.requests.flatMap(({ id, to }) => (to !== null && won.has(id) ? [to] : [])))
    const membersOf = new Map(rows.polls.map(({ id, members }) => [id, members]))
    for (const { poll } of open) {
      if (recorded.settled.includes(poll.id)) poll.members = membersOf.get(poll.id) ?? poll.members
    }
    open = open.filter(({ poll }) => still.has(poll.id) && !recorded.settled.includes(poll.id))
  }
  return { ended, completed, changed: [...changed] }
}

/** The news of instances that are still pending. */
async function findKnown(sql: Sql, news: readonly News[]): Promise<KnownNews[]> {
  const keyOf = (projectId: string, id: string) => `${projectId}/${id}`
  const facts = await findPending(
    sql,
    news.map(({ poll: { projectId }, observation: { member } }) => ({ projectId, id: member.id })),
  )
  const byKey = new Map(facts.map((one) => [keyOf(one.projectId, one.id), one]))
  return news.flatMap((one) => {
    const known = byKey.get(keyOf(one.poll.projectId, one.observation.member.id))
    return known === undefined ? [] : [{ ...one, facts: known }]
  })
}
