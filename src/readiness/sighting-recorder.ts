import type { Database } from '../database/database.ts'
import { isRejected } from '../database/errors.ts'
import { createBatcher } from '../runtime/batcher.ts'
import { resultOf, writeInHalves } from '../runtime/halves.ts'
import { reached } from '../runtime/steps.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { bootTime } from './boot-time.ts'
import type { ClaimedPoll } from './claim-polls.sql.ts'
import type { News } from './news.ts'
import { isNews, type Observation, observe, type ReadinessLimits, type Sighting } from './observation.ts'
import { type HoldsPassword, withoutPasswords } from './quoted-password.ts'
import { recordReadiness } from './readiness-recorder.ts'

/** Answers that one transaction records. */
const RECORDS_AT_ONCE = 10
/** How long it gathers them under load, in milliseconds; where fewer come at once, none waits. */
const GATHER_MS = 20
const GATHER_AFTER = 2

export interface SightingRecorderOptions {
  database: Database
  limits: ReadinessLimits
  /** From the first answer that an instance runs to the next poll, where it is not listed so. */
  pollMinMs: number
  holdsPassword: HoldsPassword
  /** Told of each instance that was found to run: how long that took, in milliseconds. */
  learnBoot?: (key: { projectId: string; imageId: string }, bootMs: number) => void
  metrics: Metrics
  /** Called after each commit that wrote events. */
  onEvents: (requestKeys: readonly string[]) => void
}

/**
 * Resolves once what was seen of members of a poll is committed, and its members are those still pending. Costs the
 * database nothing where nothing of it is new. Members without a sighting are left as they are.
 */
export type RecordSightings = (poll: ClaimedPoll, sightings: ReadonlyMap<string, Sighting>) => Promise<void>

/** Told of an instance that was found to run: how long that took, in milliseconds. */
export type LearnBoot = (key: { projectId: string; imageId: string }, bootMs: number) => void

/** Records what several answers say in one transaction. */
export function createSightingRecorder(options: SightingRecorderOptions): RecordSightings {
  const { database, limits, holdsPassword } = options
  const batcher = createBatcher<readonly News[], PromiseSettledResult<News>[]>({
    maxSize: RECORDS_AT_ONCE,
    concurrency: 2,
    gatherMs: GATHER_MS,
    gatherAfter: GATHER_AFTER,
    flush: async (answers) => {
      const results = await writeInHalves(answers.flat(), (news) => commit(options, news), isRejected)
      return answers.map((news) => results.splice(0, news.length))
    },
  })

  return async (poll, sightings) => {
    const news = poll.members.flatMap((member) => {
      const sighting = sightings.get(member.id)
      return sighting === undefined ? [] : [observe(member, poll.claimedMs, sighting, limits)].filter(isNews)
    })
    if (news.length === 0) return
    const shown = await withoutPasswords(database, poll.projectId, news, holdsPassword)
    const results = await batcher.add(shown.map((observation) => ({ poll, observation })))
    results.forEach(resultOf)
    for (const observation of news) learn(options, poll, observation, sightings.get(observation.member.id))
  }
}

/** Learns how long an instance took that is recorded to run. */
function learn(
  { limits, learnBoot }: SightingRecorderOptions,
  { projectId, claimedMs }: ClaimedPoll,
  { state, member, imageId }: Observation,
  sighting: Sighting | undefined,
): void {
  if (state !== 'running' || imageId === null || sighting === undefined || sighting === 'not_found') return
  const foundMs = (member.ranMs ?? claimedMs) - member.createdMs
  const bootMs = bootTime(sighting, { foundMs, betweenPollsMs: 2 * limits.serverWaitMs })
  learnBoot?.({ projectId, imageId }, bootMs)
}

async function commit(
  { database, limits, pollMinMs, metrics, onEvents }: SightingRecorderOptions,
  news: readonly News[],
): Promise<readonly News[]> {
  const { ended, completed, changed } = await recordReadiness(database, news, {
    ...limits,
    waitingPollMs: pollMinMs,
  })
  reached('readiness.recorded')
  for (const { state, ageMs } of ended) {
    metrics.readiness.instances.inc({ result: state })
    metrics.readiness.provisioningSeconds.observe({ result: state }, ageMs / 1000)
  }
  for (const state of completed) metrics.requests.ended.inc({ state })
  if (changed.length > 0) onEvents(changed)
  return news
}
