import type { Channel, ConsumeMessage } from 'amqplib'
import type pg from 'pg'

/** The table of the raw pipelines: a key, the order, and where it stands. */
export const RAW_TABLE = `
CREATE TABLE IF NOT EXISTS raw_request (
  id uuid PRIMARY KEY,
  project_id text NOT NULL,
  request_id text NOT NULL,
  spec jsonb NOT NULL,
  instance_id text,
  running boolean NOT NULL DEFAULT false,
  UNIQUE (project_id, request_id)
) WITH (fillfactor = 80)`

const INSERT = `
INSERT INTO raw_request (id, project_id, request_id, spec)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[])
ON CONFLICT (project_id, request_id) DO NOTHING`

export interface RawRequest {
  id: string
  projectId: string
  requestId: string
  spec: { name: string }
}

export async function insertRaw(pool: pg.Pool, rows: readonly RawRequest[]): Promise<void> {
  await pool.query({
    name: 'insert',
    text: INSERT,
    values: [
      rows.map((row) => row.id),
      rows.map((row) => row.projectId),
      rows.map((row) => row.requestId),
      rows.map((row) => JSON.stringify(row.spec)),
    ],
  })
}

/**
 * Consumes the request queue in batches: those that came while the last insert ran, at most `maxSize`. A batch is
 * acknowledged as a whole, in order of delivery.
 */
export async function consumeBatches(options: {
  channel: Channel
  prefetch: number
  maxSize: number
  concurrency: number
  store: (messages: ConsumeMessage[]) => Promise<void>
}): Promise<void> {
  const { channel, prefetch, maxSize, concurrency, store } = options
  let waiting: ConsumeMessage[] = []
  let active = 0
  let acknowledged = Promise.resolve()

  const pump = () => {
    while (waiting.length > 0 && active < concurrency) {
      const batch = waiting.slice(0, maxSize)
      waiting = waiting.slice(maxSize)
      active += 1
      const stored = store(batch).finally(() => {
        active -= 1
        pump()
      })
      const last = batch.at(-1)
      acknowledged = acknowledged.then(async () => {
        await stored
        if (last !== undefined) channel.ack(last, true)
      })
    }
  }
  await channel.prefetch(prefetch)
  let scheduled = false
  await channel.consume('provision.requests', (message) => {
    if (message === null) return
    waiting.push(message)
    if (scheduled) return
    scheduled = true
    setImmediate(() => {
      scheduled = false
      pump()
    })
  })
}
