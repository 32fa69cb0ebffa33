import { globSync, readFileSync } from 'node:fs'
import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import type { Sql } from '../../src/database/database.ts'
import { addDatabaseFigures } from '../../src/telemetry/database-figures.ts'
import { createMetrics, INVARIANTS } from '../../src/telemetry/metrics.ts'

const silent = pino({ level: 'silent' })

describe('the metrics', () => {
  test('have our prefix, their unit in the name, and a help text', async () => {
    const ours = (await createMetrics().registry.getMetricsAsJSON()).filter(
      ({ name }) => !/^(process|nodejs)_/.test(name),
    )
    expect(ours.length).toBeGreaterThan(30)
    for (const { name, help, type } of ours) {
      expect(name).toMatch(/^provisioner_[a-z_]+$/)
      expect(help.length).toBeGreaterThan(10)
      if (String(type) === 'counter') expect(name).toMatch(/_total$/)
      if (String(type) === 'histogram') expect(name).toMatch(/_(seconds|messages|ratio)$/)
    }
  })

  test('carry no label without a bound', async () => {
    const metrics = await createMetrics().registry.metrics()
    expect(metrics).not.toMatch(/(project|request|instance|attempt)(_id)?="/)
  })

  test('show every promise as kept from the start', async () => {
    const text = await createMetrics().registry.metrics()
    for (const invariant of INVARIANTS) {
      expect(text).toContain(`provisioner_invariant_violations_total{invariant="${invariant}"} 0`)
    }
  })

  test('declare no promise that nothing watches over', () => {
    const sources = globSync('src/**/*.ts').map((path) => readFileSync(path, 'utf8'))
    const watched = sources.flatMap((text) =>
      [...text.matchAll(/invariantViolations\.inc\(\{ invariant: '(\w+)' \}/g)].map(([, name]) => name),
    )
    expect([...new Set(watched)].sort()).toEqual([...INVARIANTS].sort())
  })

  test('of two processes in one test do not meet', async () => {
    const [one, other] = [createMetrics(), createMetrics()]
    one.outbox.published.inc(5)
    expect(await other.registry.metrics()).toContain('provisioner_outbox_published_total 0')
  })
})

describe('figures of a database that is unreachable', () => {
  test('are absent, the others stay, and it is asked once', async () => {
    let asked = 0
    const sql: Sql = {
      query: () => {
        asked += 1
        return Promise.reject(new Error('away'))
      },
    }
    const metrics = createMetrics()
    addDatabaseFigures({ metrics, database: { throughPrisma: sql }, logger: silent })
    await metrics.registry.metrics()
    const text = await metrics.registry.metrics()
    expect(asked).toBe(1)
    expect(text).toContain('provisioner_database_up 0')
    expect(text).toContain('provisioner_outbox_published_total 0')
    expect(text).not.toMatch(/^provisioner_(requests|overdue_seconds|outbox_waiting_events|replicas)[ {]/m)
  })
})
