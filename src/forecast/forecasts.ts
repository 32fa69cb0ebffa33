import { type QueueFacts, runQueues, type SharedBudget, turnOf } from './queue-model.ts'
import type { BudgetRow, QueueRow } from './read-queues.sql.ts'
import type { Made } from './scores.ts'
import type { ForecastRow } from './store-forecasts.sql.ts'

/**
 * The forecasts of queues as they were read, with what their credentials share: pure. `pace`: how many times as long as
 * the rules say a project's turns have taken of late.
 */
export function forecastsOf(
  queues: readonly QueueRow[],
  budgets: readonly BudgetRow[],
  pace: (projectId: string) => number,
): ForecastRow[] {
  const closed = new Set(budgets.filter((budget) => budget.closed).map(({ credentialId }) => credentialId))
  const isClosed = (queue: QueueRow) => queue.closed || closed.has(queue.credentialId)
  const waiting = queues.filter(({ length }) => length > 0)
  const open = waiting.filter((queue) => !isClosed(queue))
  const legs = runQueues(open satisfies readonly QueueFacts[], budgets satisfies readonly SharedBudget[])
  return waiting.map((queue) => {
    const { projectId, clockMs, length, points } = queue
    const own = legs.get(projectId)
    const turnMs = (place: number) =>
      own === undefined ? null : Math.round(turnOf(own, place) * pace(projectId) * 1000)
    return {
      projectId,
      computedMs: clockMs,
      keys: points.map(({ key }) => key),
      places: points.map(({ place }) => place),
      turnsMs: own === undefined ? [] : points.map(({ place }) => turnMs(place) ?? 0),
      length,
      lengthMs: turnMs(length),
    }
  })
}

/** The projects of whose turns nobody knows. */
export function closedOf(forecasts: readonly ForecastRow[]): Set<string> {
  return new Set(forecasts.flatMap(({ projectId, lengthMs }) => (lengthMs === null ? [projectId] : [])))
}

/** Their points as forecasts of single requests; nothing is said of closed projects. */
export function madeOf(
  queues: readonly QueueRow[],
  forecasts: readonly ForecastRow[],
  pace: (projectId: string) => number,
): Made[] {
  const pointsOf = new Map(queues.map(({ projectId, points }) => [projectId, points]))
  return forecasts.flatMap(({ projectId, computedMs, turnsMs }) =>
    turnsMs.map((turnMs, index) => ({
      id: pointsOf.get(projectId)?.[index]?.id ?? '',
      projectId,
      madeMs: computedMs,
      turnMs: computedMs + turnMs,
      ruledMs: turnMs / pace(projectId),
    })),
  )
}
