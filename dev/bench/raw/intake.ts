import { connect } from 'amqplib'
import pg from 'pg'
import { v7 as uuidv7 } from 'uuid'
import { consumeBatches, insertRaw, RAW_TABLE } from './requests.ts'

/** Consume, parse the JSON, insert with one unnest per batch, acknowledge the batch. */
export async function runRawIntake(environment: NodeJS.ProcessEnv): Promise<void> {
  const pool = new pg.Pool({ connectionString: environment.DATABASE_URL, max: 4 })
  await pool.query(RAW_TABLE)
  const broker = await connect(environment.AMQP_URL ?? '')
  const channel = await broker.createChannel()
  await consumeBatches({
    channel,
    prefetch: 2000,
    maxSize: 500,
    concurrency: 2,
    store: async (messages) => {
      const rows = messages.map(({ content }) => {
        const order = JSON.parse(content.toString()) as {
          project_id: string
          request_id: string
          spec: { name: string }
        }
        return { id: uuidv7(), projectId: order.project_id, requestId: order.request_id, spec: order.spec }
      })
      await insertRaw(pool, rows)
    },
  })
}
