import { parseArgs } from 'node:util'
import { PROJECT_ID } from './contracts/request-schema.ts'
import { examine } from './doctor/doctor.ts'
import { screenOf, works } from './doctor/screen.ts'
import { EXIT_CONFIG, EXIT_USAGE } from './runtime/exit-codes.ts'

const USAGE = `Looks at everything that an order of a project needs, in the service's environment, and orders nothing
(docs/operations.md):

  npm run doctor -- --project <project id> [--json] [--now]

--now makes the one reading call to CloudDC also while calls of the project are held back.
`

interface Order {
  projectId: string
  json: boolean
  now: boolean
}

/** Null when the arguments are not a valid command. */
function readOrder(args: string[]): Order | null {
  try {
    const flag = { type: 'boolean', default: false } as const
    const { values } = parseArgs({ args, options: { project: { type: 'string' }, json: flag, now: flag } })
    const { project: projectId = '', json, now } = values
    return PROJECT_ID.test(projectId) ? { projectId, json, now } : null
  } catch {
    return null
  }
}

async function run(order: Order | null): Promise<number> {
  if (order === null) {
    console.error(USAGE)
    return EXIT_USAGE
  }
  const { projectId, json, now } = order
  const checks = await examine({ environment: process.env, projectId, now })
  const report = { project_id: projectId, works: works(checks), checks }
  console.log(json ? JSON.stringify(report) : screenOf(projectId, checks))
  if (report.works) return 0
  return checks.some(({ name, state }) => name === 'configuration' && state === 'fault') ? EXIT_CONFIG : 1
}

process.exitCode = await run(readOrder(process.argv.slice(2)))
