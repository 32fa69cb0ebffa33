import { pino } from 'pino'
import { v7 as uuidv7 } from 'uuid'
import { beforeEach, expect, test } from 'vitest'
import { createFlowCounter } from '../../src/telemetry/flow-counter.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { clearTables, useTestDatabase } from '../support/store-database.ts'

const database = await useTestDatabase()
beforeEach(() => clearTables(database))

const written = async () => {
  const rows = await database.prisma.flowCount.findMany()
  return rows.reduce((sum, { accepted }) => sum + accepted, 0)
}

test('what was done is written at the latest when the process stops, once, and nothing where nothing was', async () => {
  const metrics = createMetrics()
  const counter = createFlowCounter({
    database,
    metrics,
    replicaId: () => uuidv7(),
    logger: pino({ level: 'silent' }),
  })
  await counter.start()
  metrics.intake.messages.inc({ result: 'stored' }, 5)
  await counter.stop()
  await counter.stop()
  expect(await written()).toBe(5)

  const idle = createFlowCounter({
    database,
    metrics: createMetrics(),
    replicaId: () => uuidv7(),
    logger: pino({ level: 'silent' }),
  })
  await idle.start()
  await idle.stop()
  expect(await written()).toBe(5)
})
