import { expect, test } from 'vitest'
import { NO_FLOW } from '../../src/telemetry/add-flow.sql.ts'
import { readFlow } from '../../src/telemetry/flow-counter.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'

test('what a process has done is read from its counters', async () => {
  const metrics = createMetrics()
  expect(await readFlow(metrics)).toEqual(NO_FLOW)
  metrics.intake.messages.inc({ result: 'stored' }, 5)
  metrics.intake.messages.inc({ result: 'duplicate' }, 100)
  metrics.dispatch.calls.inc({ outcome: 'created', reason: 'none' }, 3)
  metrics.dispatch.calls.inc({ outcome: 'unknown', reason: 'timeout' }, 1)
  for (const state of ['running', 'partially_running', 'failed', 'expired', 'cancelled'])
    metrics.requests.ended.inc({ state })
  metrics.outbox.published.inc(7)
  for (const [result, calls] of Object.entries({ ok: 8, throttled: 100, failed: 9 }))
    metrics.readiness.calls.inc({ call: 'list', result }, calls)
  expect(await readFlow(metrics)).toEqual({
    accepted: 5,
    dispatched: 4,
    running: 2,
    failed: 3,
    published: 7,
    pollsAnswered: 8,
    pollsFailed: 9,
  })
})
