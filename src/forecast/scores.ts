import { bootOf } from './estimate.ts'
import type { FollowedRow } from './followed.sql.ts'

/** Forecasts that are followed at once. */
const MOST_FOLLOWED = 300
/** An error is a part of how far the forecast looked ahead, of five seconds at least. */
const LEAST_HORIZON_MS = 5000
/** A pace is learned from forecasts that looked not too far ahead: others come in front, and share, meanwhile. */
const PACE_FROM_MS = 3000
const PACE_TO_MS = 12_000
/** How much the latest forecast says of a project's pace, and the most that a pace is believed to be off. */
const WEIGHT = 0.2
const MOST_PACE = 1e6

/** A forecast that was made: times in milliseconds since 1970. */
export interface Made {
  id: string
  projectId: string
  madeMs: number
  turnMs: number
  /** How long the rules alone said it would take, in milliseconds. */
  ruledMs: number
}

export interface Scores {
  /** Requests whose forecasts are followed. */
  ids(): string[]
  /** How many times as long as the rules say turns of a project have taken of late. */
  paceOf(projectId: string): number
  /** Picks some of these forecasts to be followed. */
  follow(made: readonly Made[]): void
  /** Projects have closed: when their requests go out says nothing of the forecasts. */
  giveUp(projectIds: ReadonlySet<string>): void
  /** What became of those that are followed; what is not there any more is given up. */
  judge(rows: readonly FollowedRow[]): void
}

/** `onError` is told how far off a forecast of a turn, or of all servers running, was: as a part of its horizon. */
export function createScores(
  onError: (of: 'dispatch' | 'running', error: number) => void,
  random: () => number = Math.random,
): Scores {
  const followed = new Map<string, Made & { readyMs: number | null; isDispatched: boolean }>()
  const paces = new Map<string, number>()

  const tell = (of: 'dispatch' | 'running', { madeMs }: Made, saidMs: number, actualMs: number) =>
    onError(of, Math.abs(actualMs - saidMs) / Math.max(LEAST_HORIZON_MS, saidMs - madeMs))

  const learnPace = ({ projectId, madeMs, ruledMs }: Made, dispatchedMs: number) => {
    const tookMs = dispatchedMs - madeMs
    if (Math.max(tookMs, ruledMs) < PACE_FROM_MS || ruledMs > PACE_TO_MS) return
    const latest = Math.log(Math.min(MOST_PACE, Math.max(0.1, tookMs / Math.max(1, ruledMs))))
    const known = paces.get(projectId) ?? 0
    paces.set(projectId, known + WEIGHT * (latest - known))
  }

  return {
    ids: () => [...followed.keys()],
    paceOf: (projectId) => Math.exp(paces.get(projectId) ?? 0),
    follow: (made) => {
      const byProject = Map.groupBy(made, ({ projectId }) => projectId)
      for (const projectId of paces.keys()) if (!byProject.has(projectId)) paces.delete(projectId)
      for (const own of byProject.values()) {
        const near = own.filter(({ ruledMs }) => ruledMs <= PACE_TO_MS)
        for (const choice of [own, near]) {
          const one = choice[Math.floor(random() * choice.length)]
          if (one !== undefined && !followed.has(one.id) && followed.size < MOST_FOLLOWED)
            followed.set(one.id, { ...one, readyMs: null, isDispatched: false })
        }
      }
    },
    giveUp: (projectIds) => {
      for (const [id, { projectId, isDispatched }] of followed)
        if (!isDispatched && projectIds.has(projectId)) followed.delete(id)
    },
    judge: (rows) => {
      const found = new Map(rows.map((row) => [row.id, row]))
      for (const [id, made] of followed) {
        const row = found.get(id)
        if (row === undefined || ENDED_OTHERWISE.has(row.state)) {
          followed.delete(id)
          continue
        }
        made.readyMs ??= row.bootsMs === null ? null : made.turnMs + bootOf(row.bootsMs, row.instances)
        if (row.dispatchedMs === null) continue
        if (!made.isDispatched) {
          made.isDispatched = true
          tell('dispatch', made, made.turnMs, row.dispatchedMs)
          learnPace(made, row.dispatchedMs)
        }
        if (row.completedMs !== null && made.readyMs !== null)
          tell('running', made, made.readyMs, row.completedMs)
        if (row.completedMs !== null || made.readyMs === null) followed.delete(id)
      }
    },
  }
}

/** Neither says anything of the forecast. */
const ENDED_OTHERWISE: ReadonlySet<string> = new Set(['failed', 'expired', 'cancelled', 'partially_running'])
