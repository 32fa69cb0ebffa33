import type { ClaimedPoll } from './claim-polls.sql.ts'
import type { PendingFacts } from './find-pending.sql.ts'
import { beginsToWait, type Observation } from './observation.ts'
import { limitOf, type MemberLimits, type PollMember } from './poll-member.ts'
import type { ObservationRows, PollRow } from './record-observations.sql.ts'
import { type EndedInstance, requestChange } from './request-change.ts'

/** What a poll found of one of its members, which differs from what is recorded (isNews). */
export interface News {
  poll: ClaimedPoll
  observation: Observation
}

/** News of an instance that is still pending, with its request as it is now. */
export interface KnownNews extends News {
  facts: PendingFacts
}

/**
 * The record of news: pure. `known`: those of them whose instances are still pending. The others have been recorded by
 * somebody else, or are gone with their request; their polls forget them.
 */
export function rowsOf(
  news: readonly News[],
  known: readonly KnownNews[],
  limits: MemberLimits,
): ObservationRows {
  // Should two polls hold one instance, its end counts once.
  const once = [...new Map(known.map((one) => [`${one.facts.projectId}/${one.facts.id}`, one])).values()]
  const ended = Map.groupBy(
    once.flatMap(({ facts, observation: { state } }): EndedInstance[] =>
      state === 'pending' ? [] : [{ ...facts, state }],
    ),
    ({ provisionRequestId }) => provisionRequestId,
  )
  const polls = Map.groupBy(news, ({ poll }) => poll)
  const knownOf = Map.groupBy(known, ({ poll }) => poll)
  return {
    polls: [...polls].map(([poll, own]) => pollRow(poll, own, knownOf.get(poll) ?? [], limits)),
    requests: [...ended.values()].map(requestChange),
    instances: once.map(({ facts: { projectId, id, provisionRequestId }, observation }) => {
      const { member: _, seen: __, ...found } = observation
      return { projectId, id, provisionRequestId, ...found }
    }),
  }
}

function pollRow(
  poll: ClaimedPoll,
  news: readonly News[],
  known: readonly KnownNews[],
  limits: MemberLimits,
): PollRow {
  const told = new Set(news.map(({ observation }) => observation.member.id))
  const after = ({ observation: { member, seen } }: News): PollMember => ({ ...member, seen })
  const pending = known.filter(({ observation }) => observation.state === 'pending')
  const ended = known.filter(({ observation }) => observation.state !== 'pending')
  const members = [
    ...poll.members.filter(({ id }) => !told.has(id)),
    ...pending.filter(({ observation }) => !beginsToWait(observation)).map(after),
  ]
  return {
    id: poll.id,
    projectId: poll.projectId,
    members,
    limitMs: firstLimit(members, limits),
    waiting: pending.filter(({ observation }) => beginsToWait(observation)).map(after),
    requestIds: [...new Set(ended.map(({ facts }) => facts.provisionRequestId))],
  }
}

function firstLimit(members: readonly PollMember[], limits: MemberLimits): number | null {
  return members.length === 0 ? null : Math.min(...members.map((member) => limitOf(member, limits)))
}
