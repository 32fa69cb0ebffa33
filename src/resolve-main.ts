import { parseArgs } from 'node:util'
import { runCommand } from './command.ts'
import { loadConfig } from './config.ts'
import { createDatabase } from './database/database.ts'
import { createLogger } from './logger.ts'
import { type HandVerdict, resolveByHand } from './reconcile/resolve-by-hand.ts'

const USAGE = `Settles a request whose outcome only a person can find out (docs/operations.md), in the service's environment:

  npm run resolve -- --project <project id> --request <request id> --adopt <instance id>,<instance id>
  npm run resolve -- --project <project id> --request <request id> --void
`

interface Order {
  projectId: string
  requestId: string
  verdict: HandVerdict
}

/** Null when the arguments are not a valid command. */
function readOrder(args: string[]): Order | null {
  try {
    const text = { type: 'string' } as const
    const options = { project: text, request: text, adopt: text, void: { type: 'boolean' } } as const
    const { project, request, adopt, void: isVoid = false } = parseArgs({ args, options }).values
    if (!project || !request || isVoid === (adopt !== undefined)) return null
    const ids = adopt?.split(',').map((id) => id.trim()) ?? []
    if (ids.includes('')) return null
    return { projectId: project, requestId: request, verdict: isVoid ? 'void' : { adopt: ids } }
  } catch {
    return null
  }
}

async function resolve({ projectId, requestId, verdict }: Order): Promise<void> {
  const config = loadConfig(process.env, { serves: false })
  const logger = createLogger({ level: 'error' })
  const database = createDatabase({ url: config.databaseUrl, poolSize: 1, logger })
  try {
    const rules = {
      settleMs: config.reconcileSettleMs,
      maxAttempts: config.maxAttempts,
      pollTimes: { firstPollMs: config.pollMinMs, provisionTimeoutMs: config.provisionTimeoutMs },
    }
    const state = await resolveByHand(database, { projectId, requestId }, verdict, rules)
    console.log(`resolve: request ${requestId} is ${state} now`)
  } finally {
    await database.close()
  }
}

process.exitCode = await runCommand({
  name: 'resolve',
  usage: USAGE,
  order: readOrder(process.argv.slice(2)),
  carryOut: resolve,
})
