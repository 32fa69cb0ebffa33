import type { Logger } from 'pino'
import type { Database } from '../database/database.ts'
import type { Replica } from '../replica/replica.ts'
import { createLoop, type Loop } from '../runtime/run-loop.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { forgetCurves } from './boot-curves.sql.ts'
import { readFollowed } from './followed.sql.ts'
import { closedOf, forecastsOf, madeOf } from './forecasts.ts'
import { readBudgets, readQueues } from './read-queues.sql.ts'
import { createScores } from './scores.ts'
import { storeForecasts } from './store-forecasts.sql.ts'

/** Between two forecasts, in milliseconds. */
const INTERVAL_MS = 2000
/** Reading long queues takes its time: of which this many times as much passes before the next. */
const REST_PER_WORK = 50
const MAX_INTERVAL_MS = 30_000
/** Longer than any pass with its rest; how often a replica without the duty asks for it. */
const LEASE_MS = 45_000
const ASK_MS = 5000
const MOST_PROJECTS = 5000
/** Requests that one pass counts, of all queues, and of one queue in any case. */
const MOST_COUNTED = 500_000
const LEAST_COUNTED = 1000

/** How often boot curves are looked through, and which are forgotten. */
const FORGET_INTERVAL_MS = 3_600_000
const KEPT_CURVES = { days: 60, most: 20_000 }

export interface ForecasterOptions {
  database: Database
  replica: Pick<Replica, 'holdDuty'>
  intervalMs?: number
  metrics: Pick<Metrics, 'forecast'>
  logger: Logger
}

/** Computes when the requests of all queues have their turn, every few seconds, on the replica that has the duty. */
export function createForecaster({
  database,
  replica,
  intervalMs = INTERVAL_MS,
  metrics,
  logger,
}: ForecasterOptions): Loop {
  /** Whether there may be forecasts: those of a predecessor, or of the last pass. */
  let stored = true
  const scores = createScores((of, error) => metrics.forecast.error.observe({ of }, error))
  const judge = async () => {
    const ids = scores.ids()
    if (ids.length > 0) scores.judge(await readFollowed(database, ids))
  }
  let projects = 1
  let forgotAt = performance.now()
  return createLoop({
    name: 'forecaster',
    logger,
    idleMs: MAX_INTERVAL_MS,
    runOnce: async () => {
      if (!(await replica.holdDuty('forecast', LEASE_MS))) {
        stored = true
        return { again: false, waitMs: ASK_MS }
      }
      const startedAt = performance.now()
      await judge()
      const mostCounted = Math.max(LEAST_COUNTED, Math.floor(MOST_COUNTED / projects))
      const queues = await readQueues(database, { mostProjects: MOST_PROJECTS, mostCounted })
      projects = Math.max(1, queues.length)
      if (queues.length > 0 || stored) {
        const credentialIds = [...new Set(queues.map(({ credentialId }) => credentialId))]
        const budgets = queues.length === 0 ? [] : await readBudgets(database, credentialIds)
        const forecasts = forecastsOf(queues, budgets, scores.paceOf)
        await storeForecasts(database, forecasts)
        scores.giveUp(closedOf(forecasts))
        scores.follow(madeOf(queues, forecasts, scores.paceOf))
        stored = forecasts.length > 0
      }
      if (startedAt - forgotAt >= FORGET_INTERVAL_MS) {
        forgotAt = startedAt
        await forgetCurves(database, KEPT_CURVES)
      }
      const restMs = REST_PER_WORK * (performance.now() - startedAt)
      return { again: false, waitMs: Math.min(MAX_INTERVAL_MS, Math.max(intervalMs, restMs)) }
    },
  })
}
