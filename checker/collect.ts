import { readDatabase } from './database-reader.ts'
import {
  type CallLimit,
  type Evidence,
  keyOf,
  type ObservedEvent,
  type PublishedMessage,
} from './evidence.ts'
import { readHttp } from './http-reader.ts'
import type { LedgerReader } from './ledger-reader.ts'
import { createQueueReader, readDeadLetters } from './queue-reader.ts'

export interface Sources {
  databaseUrl: string
  amqpUrl: string
  /** HTTP APIs of the replicas that run. */
  apiUrls: readonly string[]
  /** What they are shown with each request; null where they ask for nothing. */
  apiKey: string | null
  ledger: LedgerReader
  /** All copies of all events so far. */
  events: readonly ObservedEvent[]
  published: readonly PublishedMessage[]
  limit: CallLimit
  userLimit?: CallLimit
  secrets: readonly string[]
  /** What the replicas have logged. */
  logs: readonly { source: string; text: string }[]
}

/** Collects everything that the judge looks at, from each place by that place's own protocol. */
export async function collectEvidence(sources: Sources): Promise<Evidence> {
  const queues = await createQueueReader(sources.amqpUrl)
  const depths = await queues.depths().finally(queues.close)
  const deadLetters = await readDeadLetters(sources.amqpUrl)
  const database = await readDatabase(sources.databaseUrl)
  const http = await readHttp(sources, database.requests)
  const statuses = new Map(http.statuses.map((status) => [keyOf(status.projectId, status.requestId), status]))
  return {
    ...database,
    requests: database.requests.map((row) => ({
      ...row,
      waiting: statuses.get(keyOf(row.projectId, row.requestId))?.waiting ?? null,
    })),
    statuses: http.statuses,
    published: sources.published,
    queueDepth: depths.requests,
    deadLetters,
    events: [...sources.events],
    calls: await sources.ledger.calls(),
    ledgerInstances: await sources.ledger.instances(),
    limit: sources.limit,
    userLimit: sources.userLimit ?? null,
    secrets: sources.secrets,
    texts: [...sources.logs, ...database.texts, ...http.texts],
  }
}
