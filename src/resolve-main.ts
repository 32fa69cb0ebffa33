import { parseArgs } from 'node:util'
import { runCommand } from './command.ts'
import { loadConfig } from './config.ts'
import { REASON_LENGTH } from './contracts/operations.ts'
import { createDatabase } from './database/database.ts'
import { createLogger } from './logger.ts'
import type { By } from './operations/audit.ts'
import { type HandVerdict, resolveByHand } from './operations/resolve-by-hand.ts'

const USAGE = `Settles a request whose outcome only a person can find out (docs/operations.md), in the service's environment:

  npm run resolve -- --project <project id> --request <request id> --adopt <instance id>,<instance id>
  npm run resolve -- --project <project id> --request <request id> --void

With --reason "<${REASON_LENGTH.min} to ${REASON_LENGTH.max} characters>" the audit says why.
`

const NO_REASON = 'by npm run resolve'

interface Order {
  projectId: string
  requestId: string
  verdict: HandVerdict
  reason: string
}

/** Null when the arguments are not a valid command. */
function readOrder(args: string[]): Order | null {
  try {
    const text = { type: 'string' } as const
    const verdict = { adopt: text, void: { type: 'boolean' } } as const
    const options = { project: text, request: text, reason: text, ...verdict } as const
    const { project, request, adopt, void: isVoid = false, ...given } = parseArgs({ args, options }).values
    const { reason = NO_REASON } = given
    if (!project || !request || isVoid === (adopt !== undefined)) return null
    if (reason.length < REASON_LENGTH.min || reason.length > REASON_LENGTH.max) return null
    const ids = adopt?.split(',').map((id) => id.trim()) ?? []
    if (ids.includes('')) return null
    return { projectId: project, requestId: request, verdict: isVoid ? 'void' : { adopt: ids }, reason }
  } catch {
    return null
  }
}

async function resolve({ projectId, requestId, verdict, reason }: Order): Promise<void> {
  const config = loadConfig(process.env, { serves: false })
  const logger = createLogger({ level: 'error' })
  const database = createDatabase({ url: config.databaseUrl, poolSize: 1, logger })
  try {
    const rules = {
      settleMs: config.reconcileSettleMs,
      maxAttempts: config.maxAttempts,
      pollTimes: { firstPollMs: config.pollMinMs, provisionTimeoutMs: config.provisionTimeoutMs },
    }
    const by: By = { who: 'command', reason }
    const { state } = await resolveByHand(database, { projectId, requestId }, verdict, rules, by)
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
