import { parseArgs } from 'node:util'
import { createBroker } from './amqp/connection.ts'
import { createPublisher } from './amqp/publisher.ts'
import { runCommand } from './command.ts'
import { loadConfig } from './config.ts'
import { EVENT_KINDS, type EventKind } from './contracts/event-schemas.ts'
import { parseDateTime } from './contracts/rfc3339.ts'
import { createDatabase } from './database/database.ts'
import { createLogger } from './logger.ts'
import type { PastEvents } from './outbox/past-events.ts'
import { replayEvents } from './outbox/replay.ts'

const DEFAULT_PER_SECOND = 100
const REPLAYED_KINDS = EVENT_KINDS.filter((kind) => kind !== 'request.rejected')

const USAGE = `Sends past events again to a queue that is bound to the exchange provision.replay with the key <target>
(docs/operations.md), in the service's environment:

  npm run replay -- --target <key> --from <time> [--to <time>] [--project <id> [--request <id>]]
                    [--kinds ${REPLAYED_KINDS.slice(0, 2).join(',')},...] [--per-second ${DEFAULT_PER_SECOND}]

Times are RFC 3339, such as 2026-11-26T08:00:00Z. Kinds: ${REPLAYED_KINDS.join(', ')}.
`

interface Order {
  target: string
  perSecond: number
  events: PastEvents
}

/** Null when the arguments are not a valid command. */
function readOrder(args: string[]): Order | null {
  try {
    const text = { type: 'string' } as const
    const names = { target: text, from: text, to: text, project: text, request: text, kinds: text } as const
    const { values } = parseArgs({ args, options: { ...names, 'per-second': text } })
    const { target = '', project: projectId, request: requestId, kinds } = values
    const from = parseDateTime(values.from ?? '')
    const to = values.to === undefined ? new Date() : parseDateTime(values.to)
    const perSecond = Number(values['per-second'] ?? DEFAULT_PER_SECOND)
    const chosen = kinds?.split(',').map((kind) => kind.trim()) ?? REPLAYED_KINDS
    const known = REPLAYED_KINDS.filter((kind) => chosen.includes(kind))
    if (target === '' || Buffer.byteLength(target) > 255 || from === null || to === null) return null
    if (!(perSecond > 0) || perSecond === Number.POSITIVE_INFINITY || known.length !== chosen.length)
      return null
    if (requestId !== undefined && projectId === undefined) return null
    return {
      target,
      perSecond,
      events: { from, to, projectId, requestId, kinds: new Set<EventKind>(known) },
    }
  } catch {
    return null
  }
}

async function replay(order: Order): Promise<void> {
  const config = loadConfig(process.env, { serves: false })
  const logger = createLogger({ level: 'error' })
  const database = createDatabase({ url: config.databaseUrl, poolSize: 2, logger })
  const broker = createBroker({ url: config.amqpUrl, logger, connectionName: 'provisioner replay' })
  const publisher = createPublisher({ broker, logger, name: 'replay' })
  let sent = 0
  try {
    await broker.start()
    await publisher.start()
    await replayEvents({ ...order, database, publisher, onSent: () => (sent += 1) })
  } finally {
    console.log(`replay: ${sent} events sent to "${order.target}"`)
    await publisher.stop()
    await broker.stop()
    await database.close()
  }
}

process.exitCode = await runCommand({
  name: 'replay',
  usage: USAGE,
  order: readOrder(process.argv.slice(2)),
  carryOut: replay,
})
