import { once } from 'node:events'
import { constants } from 'node:os'
import { readOptions, USAGE, UsageError } from './options.ts'
import { type Report, toJson } from './report.ts'
import { runDemo } from './run.ts'
import { createScreen } from './screen.ts'
import { createReleasers, type Stage } from './stage.ts'

/** `npm run demo`: see USAGE. Exit code 0: every request ended as it should and every invariant holds. */
const EXIT_USAGE = 2

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
let cleanedUp = false
let exitCode = 1

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    exitCode = 128 + constants.signals[signal]
    // What still runs then is ended by the watchdogs of the run's folders.
    if (interruption.signal.aborted) process.exit(exitCode)
    interruption.abort()
  })
}
// A terminal that went away must not keep the cleaning up from happening.
process.stdout.on('error', () => interruption.abort())

async function cleanUp(): Promise<void> {
  if (cleanedUp) return
  cleanedUp = true
  screen.draw(['', screen.paint('dim', '  stopping what was started ...')])
  await releasers.run()
  screen.erase()
}

async function keepRunning(stage: Stage): Promise<void> {
  const api = stage.replicas.all[0]?.url ?? ''
  const lines = [
    '  Still running, until Ctrl-C:',
    '',
    ...stage.replicas.all.map(({ name, url }) => `    ${name.padEnd(16)} ${url}`),
    `    their key        ${stage.apiKey.key}`,
    `    console          ${api}/console (sign in with the key)`,
    `    documents        ${api}/docs`,
    `    metrics          ${api}/metrics`,
    `    a project        ${api}/v1/project-1/provision-requests?limit=5`,
    `    a history        ${api}/v1/project-1/provision-requests/order-0001/history`,
    `                     curl -H "Authorization: Bearer ${stage.apiKey.key}" ...`,
    `    CloudDC          ${stage.simulator.url}`,
    `    its admin port   ${stage.simulator.adminUrl}/admin/stats`,
    `    RabbitMQ         ${stage.amqpUrl}`,
    `    PostgreSQL       ${stage.databaseUrl}`,
    '',
  ]
  for (const line of lines) screen.line(line)
  const waiting = setInterval(() => undefined, 1 << 30)
  if (!interruption.signal.aborted) await once(interruption.signal, 'abort')
  clearInterval(waiting)
}

let report: Report | undefined
try {
  const { report: finished, stage } = await runDemo({
    options,
    screen,
    releasers,
    signal: interruption.signal,
  })
  report = finished
  exitCode = report.ok ? 0 : 1
  if (options.keep) {
    if (options.json) screen.line(toJson(report))
    const result = exitCode
    await keepRunning(stage)
    exitCode = result
  }
} catch (error) {
  screen.settle()
  if (!interruption.signal.aborted) {
    console.error(`\n${error instanceof Error ? error.message : String(error)}`)
  }
}
await cleanUp().catch((error: unknown) => {
  console.error(`not everything could be stopped: ${error instanceof Error ? error.message : String(error)}`)
  exitCode ||= 1
})
if (options.json && !options.keep && report !== undefined) screen.line(toJson(report))
process.exit(exitCode)
