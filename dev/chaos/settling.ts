import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { TERMINAL_STATES } from '../../checker/evidence.ts'
import { createQueueReader } from '../../checker/queue-reader.ts'

const POLL_MS = 500
/** Polls in a row that must find everything settled: events may still be on their way to the observer. */
const SETTLED_POLLS = 4

export interface Standing {
  /** Requests by state. */
  states: Record<string, number>
  rows: number
  ended: number
  /** Segments of the outbox that hold events not yet confirmed by the broker. */
  outbox: number
  onQueue: number
  deadLetters: number
}

/** How it stands; every look opens and closes its own connections, so that any server may have been restarted. */
export async function lookAround(urls: { databaseUrl: string; amqpUrl: string }): Promise<Standing> {
  const client = new pg.Client({ connectionString: urls.databaseUrl, connectionTimeoutMillis: 3000 })
  client.on('error', () => undefined)
  await client.connect()
  try {
    const states = await client.query<{ state: string; count: number }>(
      'SELECT state::text AS "state", count(*)::int AS "count" FROM provision_request GROUP BY state',
    )
    const outbox = await client.query<{ count: number }>(
      'SELECT count(*)::int AS "count" FROM outbox_segment',
    )
    const queues = await createQueueReader(urls.amqpUrl)
    const depths = await queues.depths().finally(queues.close)
    const byState = Object.fromEntries(states.rows.map(({ state, count }) => [state, count]))
    return {
      states: byState,
      rows: states.rows.reduce((sum, { count }) => sum + count, 0),
      ended: TERMINAL_STATES.reduce((sum, state) => sum + (byState[state] ?? 0), 0),
      outbox: outbox.rows[0]?.count ?? 0,
      onQueue: depths.requests,
      deadLetters: depths.dead,
    }
  } finally {
    await client.end()
  }
}

/**
 * Waits until all requests have ended and all events are out. False when nothing has moved for `stallMs`: then what
 * there is shall be judged.
 */
export async function settle({
  urls,
  requests,
  deadLetters,
  events,
  stallMs,
  onLook,
  signal,
}: {
  urls: { databaseUrl: string; amqpUrl: string }
  /** Requests and dead letters there must be. */
  requests: number
  deadLetters: number
  /** Copies of events received so far: arriving ones are movement too. */
  events: () => number
  stallMs: number
  onLook: (standing: Standing) => void
  signal: AbortSignal
}): Promise<boolean> {
  let settledPolls = 0
  let last = ''
  let movedAt = performance.now()
  for (;;) {
    const standing = await lookAround(urls)
    onLook(standing)
    const { rows, ended, outbox, onQueue } = standing
    const settled =
      ended === rows &&
      rows >= requests &&
      outbox === 0 &&
      onQueue === 0 &&
      standing.deadLetters >= deadLetters
    settledPolls = settled ? settledPolls + 1 : 0
    if (settledPolls >= SETTLED_POLLS) return true
    const now = JSON.stringify([standing, events()])
    if (now !== last) movedAt = performance.now()
    last = now
    if (performance.now() - movedAt > stallMs) return false
    await delay(POLL_MS, undefined, { signal })
  }
}
