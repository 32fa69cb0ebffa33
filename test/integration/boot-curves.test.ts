import { pino } from 'pino'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { forgetCurves } from '../../src/forecast/boot-curves.sql.ts'
import { createBootCurves } from '../../src/forecast/boot-curves.ts'
import { eventually } from '../support/eventually.ts'
import { clearTables, useTestDatabase } from '../support/store-database.ts'

const database = await useTestDatabase()
beforeEach(() => clearTables(database))

const KEY = { projectId: 'p', imageId: 'image-1' }

async function startCurves() {
  const curves = createBootCurves({ database, logger: pino({ level: 'silent' }) })
  onTestFinished(() => curves.stop())
  await curves.start()
  return curves
}

describe('boot curves', () => {
  test('outlive the process, and are known to others', async () => {
    const first = await startCurves()
    for (let n = 0; n < 20; n += 1) first.learn(KEY, 120_000)
    await first.stop()
    const second = await startCurves()
    await eventually(() => {
      const curve = second.of(KEY)
      expect(curve?.survival(100_000)).toBeGreaterThan(0.9)
      expect(curve?.survival(140_000)).toBeLessThan(0.1)
    })
    const [row] = await database.query<{ median: number }>(
      'SELECT quantiles_ms[1] AS "median" FROM boot_curve',
    )
    expect(Math.abs((row?.median ?? 0) / 120_000 - 1)).toBeLessThan(0.05)
  })

  test('add up what several replicas see', async () => {
    for (let round = 0; round < 2; round += 1) {
      const replica = await startCurves()
      for (let n = 0; n < 6; n += 1) replica.learn(KEY, 60_000)
      await replica.stop()
    }
    const reader = await startCurves()
    await eventually(() => {
      expect(reader.of(KEY)).not.toBeNull()
    })
  })

  test('are unknown for images that nobody has seen', async () => {
    const curves = await startCurves()
    curves.learn({ ...KEY, imageId: 'other' }, 1000)
    expect(curves.of(KEY)).toBeNull()
    await curves.stop()
    expect(await database.query('SELECT image_id AS "imageId" FROM boot_curve')).toEqual([
      { imageId: 'other' },
    ])
  })

  test('are forgotten when they are old, or too many', async () => {
    for (const [image, days] of [
      ['old', 90],
      ['older', 3],
      ['newer', 2],
      ['newest', 1],
    ])
      await database.query(
        `INSERT INTO boot_curve VALUES ('p', $1, '{}', NULL, clock_timestamp() - make_interval(days => $2::int))`,
        image,
        days,
      )
    const images = async () =>
      (
        await database.query<{ id: string }>('SELECT image_id AS "id" FROM boot_curve ORDER BY updated_at')
      ).map(({ id }) => id)
    await forgetCurves(database, { days: 60, most: 10 })
    expect(await images()).toEqual(['older', 'newer', 'newest'])
    await forgetCurves(database, { days: 60, most: 2 })
    expect(await images()).toEqual(['newer', 'newest'])
  })
})
