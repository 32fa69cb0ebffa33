import { type QueueFacts, runQueues, type SharedBudget, turnOf } from './queue-model.ts'
import type { BudgetRow, QueueRow } from './read-queues.sql.ts'
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
