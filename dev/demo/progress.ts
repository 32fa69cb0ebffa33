import pg from 'pg'
import type { EventObserver } from '../../checker/event-observer.ts'
import { TERMINAL_STATES } from '../../checker/evidence.ts'
import type { LedgerReader } from '../../checker/ledger-reader.ts'
import { createQueueReader } from '../../checker/queue-reader.ts'

/** How it stands at one moment. */
export interface Progress {
  /** Requests by state; states without requests are absent. */
  states: Record<string, number>
  ended: number
  projects: ProjectProgress[]
  /** Calls of all projects within the last second or two, per second. */
  callsPerSecond: number
  calls: number
  throttled: number
  /** Distinct events received. */
  events: number
  /** Segments of the outbox that hold events not yet confirmed by the broker. */
  outbox: number
  deadLetters: number
  onQueue: number
  instances: { created: number; running: number }
}

export interface ProjectProgress {
  projectId: string
  tokens: number
  burst: number
  callsPerSecond: number
  queued: number
}

export interface ProgressReader {
  read(): Promise<Progress>
  close(): Promise<void>
}

const STATES = `SELECT state::text AS "state", count(*)::int AS "count" FROM provision_request GROUP BY state`

const PROJECTS = `
SELECT
  b.project_id AS "projectId",
  least(
    b.capacity,
    b.tokens + greatest(0, extract(epoch FROM clock_timestamp() - b.refilled_at))::float8 * b.refill_per_second * b.rate_factor
  ) AS "tokens",
  (SELECT count(*) FROM provision_request r WHERE r.project_id = b.project_id AND r.state = 'queued')::int AS "queued"
FROM rate_bucket b
`

const OTHERS = `
SELECT
  (SELECT count(*) FROM outbox_segment)::int AS "outbox",
  (SELECT count(*) FROM instance)::int AS "created",
  (SELECT count(*) FROM instance WHERE state = 'running')::int AS "running"
`

/** Calls younger than this make the rate that is shown. */
const RATE_WINDOW_MS = 1500

export async function createProgressReader({
  databaseUrl,
  amqpUrl,
  ledger,
  observer,
  projectIds,
  burst,
}: {
  databaseUrl: string
  amqpUrl: string
  ledger: LedgerReader
  observer: EventObserver
  projectIds: readonly string[]
  burst: number
}): Promise<ProgressReader> {
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 10_000 })
  client.on('error', () => undefined)
  await client.connect()
  const queues = await createQueueReader(amqpUrl)
  let lastCall = 0
  let throttled = 0
  let recent: { at_ms: number; project: string }[] = []
  const firstCallAt = new Map<string, number>()

  const readCalls = async () => {
    const calls = await ledger.calls(lastCall)
    for (const { n, at_ms, project, status } of calls) {
      lastCall = n
      if (status === 429) throttled += 1
      if (!firstCallAt.has(project)) firstCallAt.set(project, at_ms)
      recent.push({ at_ms, project })
    }
    const now = Date.now()
    recent = recent.filter((call) => call.at_ms > now - RATE_WINDOW_MS)
    const rateOf = (project: string) => {
      const span = Math.min(RATE_WINDOW_MS, Math.max(250, now - (firstCallAt.get(project) ?? now)))
      return (recent.filter((call) => call.project === project).length / span) * 1000
    }
    return { rateOf, calls: lastCall }
  }

  return {
    read: async () => {
      const { rateOf, calls } = await readCalls()
      const states = await client.query<{ state: string; count: number }>(STATES)
      const buckets = await client.query<{ projectId: string; tokens: number; queued: number }>(PROJECTS)
      const others = await client.query<{ outbox: number; created: number; running: number }>(OTHERS)
      const depths = await queues.depths()
      const byProject = new Map(buckets.rows.map((row) => [row.projectId, row]))
      const byState = Object.fromEntries(states.rows.map(({ state, count }) => [state, count]))
      const { outbox = 0, created = 0, running = 0 } = others.rows[0] ?? {}
      const projects = projectIds.map((projectId) => ({
        projectId,
        tokens: byProject.get(projectId)?.tokens ?? burst,
        burst,
        callsPerSecond: rateOf(projectId),
        queued: byProject.get(projectId)?.queued ?? 0,
      }))
      return {
        states: byState,
        ended: TERMINAL_STATES.reduce((sum, state) => sum + (byState[state] ?? 0), 0),
        projects,
        callsPerSecond: projects.reduce((sum, project) => sum + project.callsPerSecond, 0),
        calls,
        throttled,
        events: Object.values(observer.counts()).reduce((sum, count) => sum + count, 0),
        outbox,
        deadLetters: depths.dead,
        onQueue: depths.requests,
        instances: { created, running },
      }
    },
    close: async () => {
      await queues.close()
      await client.end()
    },
  }
}
