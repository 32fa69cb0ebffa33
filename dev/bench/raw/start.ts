import { createServer } from 'node:http'
import { connect } from 'amqplib'
import pg from 'pg'

/** A process that has reached its database and its broker, and answers on HTTP: what a start cannot do without. */
export async function runRawStart(environment: NodeJS.ProcessEnv): Promise<void> {
  const pool = new pg.Pool({ connectionString: environment.DATABASE_URL, max: 2 })
  const [broker] = await Promise.all([connect(environment.AMQP_URL ?? ''), pool.query('SELECT 1')])
  await broker.createChannel()
  const server = createServer((_request, response) => response.end('{}'))
  await new Promise<void>((resolve) => server.listen(Number(environment.PORT), '127.0.0.1', resolve))
}
