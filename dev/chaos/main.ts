import { mkdirSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { INVARIANTS, type Invariant, type Violation } from '../../checker/verdict.ts'
import { toJson } from '../demo/report.ts'
import { createScreen } from '../demo/screen.ts'
import { createReleasers } from '../demo/stage.ts'
import { commandOf, readOptions, USAGE, UsageError } from './options.ts'
import { type ChaosResult, runChaos } from './run.ts'
import { describeFaults } from './telling.ts'

/** `npm run chaos`: see USAGE. Exit code 0: everything holds. */
const EXIT_USAGE = 2
const LISTED = 20

function optionsOrExit() {
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
const screen = createScreen({ output: process.stdout, live: !options.json, environment: process.env })
const releasers = createReleasers()
const interruption = new AbortController()
let exitCode = 1

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    exitCode = 128 + constants.signals[signal]
    if (interruption.signal.aborted) process.exit(exitCode)
    interruption.abort()
  })
}

function listed(label: string, violations: readonly Violation[]): string[] {
  const { paint } = screen
  if (violations.length === 0) return [`    ${paint('green', '✔')} ${label}`]
  const shown = violations.slice(0, LISTED).map(({ subject, message }) => `        ${subject}: ${message}`)
  const rest = violations.length > LISTED ? [`        and ${violations.length - LISTED} more`] : []
  return [`    ${paint('red', '✘')} ${label}: ${violations.length}`, ...shown, ...rest]
}

function tell({ report, verdict, faults }: ChaosResult): void {
  const states = Object.entries(report.states).map(([state, count]) => `${state} ${count}`)
  const { unanswered, calls } = report
  const lines = [
    '',
    `  faults    ${describeFaults(new Map(Object.entries(faults)))}`,
    `  requests  ${states.join(', ')}`,
    `  calls     ${calls.batchCreate} batch-create, ${calls.list} listings, ${calls.throttled} throttled`,
    `  unknown   ${unanswered.adopted} attempts adopted, ${unanswered.voided} found void`,
    '',
    ...(Object.keys(INVARIANTS) as Invariant[]).flatMap((name) =>
      listed(INVARIANTS[name], verdict.violations[name]),
    ),
    ...listed('nothing else out of order', verdict.unexpected),
    '',
  ]
  for (const line of lines) screen.line(line)
  if (!verdict.ok) screen.line(`  To run it again: ${commandOf(options)}\n`)
}

/** Evidence and logs, for looking into what was found. */
function save(folder: string, { evidence, verdict }: ChaosResult): void {
  const path = join(folder, `seed-${options.seed}`)
  mkdirSync(path, { recursive: true })
  const { texts, ...rest } = evidence
  writeFileSync(join(path, 'verdict.json'), JSON.stringify(verdict, null, 2))
  writeFileSync(join(path, 'evidence.json'), JSON.stringify(rest))
  for (const { source, text } of texts.filter((one) => /^(log of|table) /.test(one.source))) {
    writeFileSync(join(path, `${source.replaceAll(' ', '-')}.txt`), text)
  }
  screen.line(`  Evidence and logs are in ${path}`)
}

let result: ChaosResult | undefined
try {
  screen.line(`\n  ${commandOf(options)}\n`)
  result = await runChaos({ options, screen, releasers, signal: interruption.signal })
  exitCode = result.verdict.ok ? 0 : 1
  tell(result)
  if (!result.verdict.ok && options.save !== null) save(options.save, result)
} catch (error) {
  screen.settle()
  if (!interruption.signal.aborted) {
    console.error(`\n${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
    console.error(`To run it again: ${commandOf(options)}`)
  }
}
await releasers.run().catch((error: unknown) => {
  console.error(`not everything could be stopped: ${error instanceof Error ? error.message : String(error)}`)
  exitCode ||= 1
})
if (options.json && result !== undefined) {
  const { ok, ...report } = JSON.parse(toJson(result.report))
  const { seed, replicas } = options
  const unexpected = result.verdict.unexpected.length
  screen.line(JSON.stringify({ ok, seed, replicas, ...report, unexpected, faults: result.faults }))
}
process.exit(exitCode)
