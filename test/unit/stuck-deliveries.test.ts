import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import { createStuckDeliveries } from '../../src/intake/stuck-deliveries.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { buildDelivery, createIntakeHarness } from '../support/intake-harness.ts'

function createWatch() {
  const state = { now: 0, fine: true }
  const lines: string[] = []
  const { intake: metrics, registry } = createMetrics()
  const watch = createStuckDeliveries({
    serversFine: () => state.fine,
    logger: pino({}, { write: (line: string) => lines.push(line) }),
    metrics,
    clock: () => state.now,
  })
  /** What a check at that second finds. */
  const stuckAt = async (second: number) => {
    state.now = second * 1000
    watch.check()
    return (await registry.getSingleMetric('provisioner_intake_stuck_deliveries')?.get())?.values[0]?.value
  }
  return { state, lines, watch, stuckAt }
}

describe('a delivery without a verdict', () => {
  test('is stuck after a minute, and told once', async () => {
    const { lines, watch, stuckAt } = createWatch()
    watch.received()
    expect(await stuckAt(59)).toBe(0)
    expect(lines).toEqual([])
    expect(await stuckAt(60)).toBe(1)
    expect(await stuckAt(600)).toBe(1)
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      {
        deliveries: 1,
        seconds: 60,
        msg: 'deliveries stuck: not acknowledged, though database and broker are fine',
      },
    ])
  })

  test('is told although others were before', async () => {
    const { lines, watch, stuckAt } = createWatch()
    watch.received()
    expect(await stuckAt(60)).toBe(1)
    watch.received()
    expect(await stuckAt(119)).toBe(1)
    expect(await stuckAt(120)).toBe(2)
    expect(lines).toHaveLength(2)
  })

  test('is no longer stuck when it gets one', async () => {
    const { watch, stuckAt } = createWatch()
    const settled = watch.received()
    expect(await stuckAt(60)).toBe(1)
    settled()
    expect(await stuckAt(61)).toBe(0)
  })

  test('is not stuck while it waits for a server, and a minute after', async () => {
    const { state, watch, stuckAt } = createWatch()
    watch.received()
    state.fine = false
    expect(await stuckAt(300)).toBe(0)
    state.fine = true
    expect(await stuckAt(359)).toBe(0)
    expect(await stuckAt(360)).toBe(1)
  })
})

test('intake tells of each delivery from its coming to its verdict', async () => {
  const { watch, stuckAt } = createWatch()
  const { intake, hooks } = createIntakeHarness({ onReceived: watch.received })
  const publishing = Promise.withResolvers<void>()
  hooks.publish = () => publishing.promise
  const verdict = intake.handle(buildDelivery('neither JSON nor published'))
  expect(await intake.handle(buildDelivery())).toBe('ack')
  expect(await stuckAt(60)).toBe(1)
  publishing.resolve()
  expect(await verdict).toBe('ack')
  expect(await stuckAt(120)).toBe(0)
})
