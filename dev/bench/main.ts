import { mkdirSync } from 'node:fs'
import { cpus } from 'node:os'
import { resolve } from 'node:path'
import { type BenchOptions, readOptions, USAGE, UsageError } from './options.ts'
import { type BenchReport, writeFigures } from './report.ts'
import { SCENARIOS } from './scenarios/index.ts'
import { plainTable, type Results } from './table.ts'
import { type Bench, startBench } from './world.ts'

/** `npm run bench`: see USAGE. Exit code 0 when every scenario ran to its end, whatever the figures. */
const EXIT_USAGE = 2

function optionsOrExit(): BenchOptions {
  try {
    const options = readOptions(process.argv.slice(2))
    if (options !== null) return options
    console.log(USAGE)
    process.exit(0)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    console.error(`${error.message}\n\n${USAGE}`)
    process.exit(EXIT_USAGE)
  }
}

const options = optionsOrExit()
const startedAt = performance.now()
const log = (line: string) =>
  console.log(`${((performance.now() - startedAt) / 1000).toFixed(1).padStart(7)} s  ${line}`)

// What was started is ended by the watchdogs of the run's folders.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(1))

async function runAll(bench: Bench): Promise<{ results: Results; failed: string[] }> {
  const results: Results = {}
  const failed: string[] = []
  for (const name of options.scenarios) {
    const scenario = SCENARIOS[name]
    log(`${name} ...`)
    try {
      results[name] = await scenario({ bench, options, log: (line) => log(`${name}: ${line}`) })
    } catch (error) {
      failed.push(name)
      log(`${name} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
    }
  }
  return { results, failed }
}

const profileFolder = options.profile === null ? null : resolve(options.profile)
if (profileFolder !== null) mkdirSync(profileFolder, { recursive: true })
const bench = await startBench({ log, profileFolder })
const { results, failed } = await runAll(bench)
const machine = { cores: cpus().length, processor: cpus()[0]?.model ?? 'unknown', ...bench.versions }
await bench.stop()

const report: BenchReport = { scenarios: results, machine, quick: options.quick, failed }
if (options.write !== null) writeFigures(options.write, report)
console.log(`\n${plainTable(results)}`)
if (failed.length > 0) console.log(`\nfailed: ${failed.join(', ')}`)
if (options.json) console.log(JSON.stringify(report))
process.exit(failed.length > 0 ? 1 : 0)
