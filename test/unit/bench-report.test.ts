import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { type BenchReport, figures, writeFigures } from '../../dev/bench/report.ts'

const REPORT: BenchReport = {
  machine: { cores: 2, node: '24' },
  quick: false,
  failed: [],
  scenarios: {
    history: {
      value: 950,
      unit: 'requests/s with 10 finished',
      raw: 1000,
      ratio: 0.95,
      target: 'ratio at least 0.9',
      met: true,
      details: {
        requests_per_second: [
          { finished: 0, median: 1000 },
          { finished: 1_000_000, median: 950.4 },
        ],
        statements: {
          'claim-requests': {
            ...{ ms: 1.5, buffers: 10, rows_touched: 100, rows_returned: 100 },
            ...{ sequential: [], indexes: [], rows_per_probe: 1 },
          },
        },
      },
    },
  },
}

test('figures hold the table, the plots and the statements of what was measured, and no more', () => {
  const text = figures(REPORT)
  expect(text).toContain('Measured on cores 2, node 24.')
  expect(text).toContain('| history | 950 | requests/s with 10 finished | 1000 | 0.95 |')
  expect(text).toContain('x-axis ["0", "1,000,000"]')
  expect(text).toContain('bar [1000, 950]')
  expect(text).toContain('| claim-requests | 1.5 | 10 | 100 | 100 | none |')
  expect(text).not.toContain('limiter')
})

test('processor time stands per pipeline, with what the ratio counts', () => {
  const cpu = {
    requests_per_second: 100,
    node_ms: 0.1,
    postgres_ms: 0.2,
    rabbitmq_ms: Number.NaN,
    counted_ms: 0.3,
  }
  const intake = {
    ...{ value: 100, unit: 'messages/s', raw: 200, ratio: 0.5, target: 'ratio at least 0.4', met: true },
    details: { messages: 3000, cpu: { service: cpu, raw_one_event: cpu }, ratio_by_rate: 0.5 },
  }
  const text = figures({ ...REPORT, scenarios: { intake } })
  expect(text).toContain('`intake`: messages 3000, ratio by rate 0.5. Processor milliseconds per request:')
  expect(text).toContain('| raw one event | 100 | 0.1 | 0.2 |  | 0.3 |')
})

test('figures replace those before them, and nothing else of the document', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bench-report-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'performance.md')
  writeFileSync(
    file,
    'before\n<!-- figures: written by npm run bench -- --write -->\nold\n<!-- end of figures -->\nafter\n',
  )
  writeFigures(file, REPORT)
  writeFigures(file, REPORT)
  const text = readFileSync(file, 'utf8')
  expect(text).toMatch(/^before\n/)
  expect(text).toMatch(/\nafter\n$/)
  expect(text).not.toContain('old')
  expect(text.split('Measured on')).toHaveLength(2)
  writeFileSync(file, 'no marks')
  expect(() => writeFigures(file, REPORT)).toThrow('has no place for figures')
})
