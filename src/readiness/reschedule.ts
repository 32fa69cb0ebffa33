import type { Sql } from '../database/database.ts'
import type { BootCurve } from '../forecast/boot-curve.ts'
import { createBatcher } from '../runtime/batcher.ts'
import type { ClaimedPoll } from './claim-polls.sql.ts'
import { createLearnedTimes } from './learned-times.ts'
import { type PollWait, reschedulePolls } from './reschedule-polls.sql.ts'

const AT_ONCE = 64

/**
 * Gives a poll that was answered the time at which the next one is worth it, by what is known of the images of its
 * members; `imageOf` an instance: null where its answer named none. Else the time stays that the claim has set, by the
 * growing intervals.
 */
export type Reschedule = (
  poll: ClaimedPoll,
  answer: { ageMs: number; imageOf: (instanceId: string) => string | null },
) => Promise<void>

export interface RescheduleOptions {
  database: Sql
  /** The growing intervals, whose first and last are the bounds. */
  intervalsMs: readonly number[]
  curveOf: (key: { projectId: string; imageId: string }) => BootCurve | null
}

export function createReschedule({ database, intervalsMs, curveOf }: RescheduleOptions): Reschedule {
  const times = createLearnedTimes(intervalsMs)
  const batcher = createBatcher<PollWait, void>({
    maxSize: AT_ONCE,
    concurrency: 1,
    flush: async (waits) => {
      await reschedulePolls(database, waits)
      return waits.map(() => undefined)
    },
  })
  return async ({ id, projectId, members, claimedMs }, { ageMs, imageOf }) => {
    // One that runs waits for its listing alone, soon.
    if (intervalsMs.length < 2 || members.length === 0 || members.some(({ ranMs }) => ranMs !== null)) return
    const pending = members.map((member) => {
      const imageId = imageOf(member.id)
      return {
        ageMs: claimedMs + ageMs - member.createdMs,
        curve: imageId === null ? null : curveOf({ projectId, imageId }),
      }
    })
    const inMs = times.nextInMs(pending)
    if (inMs !== null) await batcher.add({ id, inMs })
  }
}
