import { runRawEndToEnd } from './end-to-end.ts'
import { runRawIntake } from './intake.ts'
import { runRawPublish } from './publish.ts'
import { runRawStart } from './start.ts'

/**
 * The raw pipelines as processes, each the fastest sensible way to do a scenario's work with the same parts and
 * nothing kept in books: no validation, no sealing, no history, no outbox, no budget, no rescue. They print `ready`.
 */
const PIPELINES: Readonly<Record<string, (environment: NodeJS.ProcessEnv) => Promise<void>>> = {
  intake: runRawIntake,
  end_to_end: runRawEndToEnd,
  publish: runRawPublish,
  start: runRawStart,
}

const name = process.argv[2] ?? ''
const run = PIPELINES[name]
if (run === undefined) throw new Error(`no raw pipeline "${name}"`)
// The last acknowledgements are on their way when the bench has seen the last row.
process.on('SIGTERM', () => setTimeout(() => process.exit(0), 200))
await run(process.env)
console.log('ready')
