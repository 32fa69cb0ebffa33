import { parseArgs } from 'node:util'
import { PROJECT_ID } from './contracts/request-schema.ts'
import { examine } from './doctor/doctor.ts'
import { screenOf, works } from './doctor/screen.ts'
import { coerceError } from './runtime/errors.ts'
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

/** What is wrong with the arguments, where they are not a valid command. */
function readOrder(args: string[]): Order | string {
  try {
    const flag = { type: 'boolean', default: false } as const
    const { values } = parseArgs({ args, options: { project: { type: 'string' }, json: flag, now: flag } })
    const { project: projectId, json, now } = values
    if (projectId === undefined) return '--project is missing'
    if (!PROJECT_ID.test(projectId)) return '--project must be 1 to 64 of A-Z, a-z, 0-9, _ and -'
    return { projectId, json, now }
  } catch (error) {
    return coerceError(error).message
  }
}

async function run(order: Order | string): Promise<number> {
  if (typeof order === 'string') {
    console.error(`${order}\n\n${USAGE}`)
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
