import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type ChannelModel, connect } from 'amqplib'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { type Servers, startServers } from '../../dev/servers.ts'
import { createTestBroker } from '../support/broker.ts'
import { createTestDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'

const serversModule = fileURLToPath(new URL('../../dev/servers.ts', import.meta.url))

/** Without the URLs that a developer may have set, so that the servers are ours to kill. */
const environment: NodeJS.ProcessEnv = { PATH: process.env.PATH }

async function queryOnce<Row>(url: string, text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query(text)).rows as Row[]
  } finally {
    await client.end()
  }
}

/** RabbitMQ 3.10 writes the declaration of a queue down within two seconds; a kill before that loses the queue. */
const DECLARED_MS = 4000

async function withConnection<Result>(
  url: string,
  work: (connection: ChannelModel) => Promise<Result>,
): Promise<Result> {
  const connection = await connect(url)
  connection.on('error', () => undefined)
  try {
    return await work(connection)
  } finally {
    await connection.close()
  }
}

describe('servers of the test run', () => {
  test('give each database a migrated schema and nothing of another', async () => {
    await using one = await createTestDatabase()
    await using other = await createTestDatabase()
    await one.query('CREATE TABLE only_here (id int)')
    expect(await other.query("SELECT 1 FROM pg_tables WHERE tablename = 'only_here'")).toEqual([])
    expect(await other.query('SELECT 1 FROM provision_request')).toEqual([])
  })

  test('remove a database that is in use', async () => {
    const database = await createTestDatabase()
    const client = new pg.Client({ connectionString: database.url })
    client.on('error', () => undefined)
    await client.connect()
    await database.drop()
    const name = new URL(database.url).pathname.slice(1)
    expect(
      await queryOnce(
        inject('servers').databaseUrl ?? '',
        `SELECT 1 FROM pg_database WHERE datname = '${name}'`,
      ),
    ).toEqual([])
  })

  test('give each broker an empty virtual host with the rights to everything in it', async () => {
    await using one = await createTestBroker()
    await using other = await createTestBroker()
    expect(one.url).not.toBe(other.url)
    for (const broker of [one, other]) {
      await withConnection(broker.url, async (connection) => {
        const channel = await connection.createConfirmChannel()
        await channel.assertQueue('here', { arguments: { 'x-queue-type': 'quorum' } })
        channel.sendToQueue('here', Buffer.from('1'), { persistent: true })
        await channel.waitForConfirms()
      })
      expect(await broker.depth('here')).toBe(1)
    }
  })
})

describe('servers of one’s own', () => {
  let servers: Servers
  beforeAll(async () => {
    servers = await startServers({ environment, durable: true, virtualHosts: 4 })
  })
  afterAll(async () => servers.stop())

  test('keep what Postgres committed when it is killed, under the same URL', async () => {
    const { url } = await servers.createDatabase()
    await queryOnce(url, 'CREATE TABLE kept AS SELECT 1 AS id')
    await servers.killPostgres()
    await expect(queryOnce(url, 'SELECT 1')).rejects.toThrow()
    await servers.restartPostgres()
    expect(await queryOnce(url, 'SELECT id FROM kept')).toEqual([{ id: 1 }])
    expect(await queryOnce(url, 'SHOW fsync')).toEqual([{ fsync: 'on' }])
  })

  test('keep what RabbitMQ confirmed when it is killed, under the same URL', async () => {
    const { url } = await servers.createVhost()
    await withConnection(url, async (connection) => {
      const channel = await connection.createConfirmChannel()
      await channel.assertQueue('kept', { durable: true })
      await delay(DECLARED_MS)
      channel.sendToQueue('kept', Buffer.from('1'), { persistent: true })
      await channel.waitForConfirms()
    })
    await servers.killRabbitmq()
    await expect(connect(url)).rejects.toThrow()
    await servers.restartRabbitmq()
    const content = await eventually(() =>
      withConnection(url, async (connection) => {
        const message = await (await connection.createChannel()).get('kept')
        return message === false ? expect.fail('the queue is empty') : message.content.toString()
      }),
    )
    expect(content).toBe('1')
  })

  test('block publishers while the memory alarm is raised', async () => {
    const { url } = await servers.createVhost()
    await withConnection(url, async (connection) => {
      const channel = await connection.createConfirmChannel()
      await channel.assertQueue('blocked')
      const blocked = once(connection, 'blocked')
      const unblocked = once(connection, 'unblocked')
      await servers.setMemoryAlarm(true)
      channel.sendToQueue('blocked', Buffer.from('1'))
      await blocked
      await servers.setMemoryAlarm(false)
      await unblocked
      await channel.waitForConfirms()
    })
  })
})

describe('private servers', () => {
  test('end, and their folder with them, when the process that started them is killed', async () => {
    const script = `
      import { startServers } from ${JSON.stringify(serversModule)}
      const servers = await startServers({ rabbitmq: false })
      const { url } = await servers.createDatabase()
      console.log(url)
      setInterval(() => undefined, 1000)`
    const owner = spawn(process.execPath, ['--input-type=module-typescript', '--eval', script], {
      env: environment,
      stdio: ['ignore', 'pipe', 'inherit'],
      cwd: dirname(serversModule),
    })
    const url = String((await once(owner.stdout, 'data'))[0]).trim()
    const [row] = await queryOnce<{ data_directory: string }>(url, 'SHOW data_directory')
    const folder = dirname(row?.data_directory ?? '')
    expect(existsSync(folder)).toBe(true)

    owner.kill('SIGKILL')
    await eventually(() => expect(existsSync(folder)).toBe(false))
    await expect(queryOnce(url, 'SELECT 1')).rejects.toThrow()
  })

  test('leave no folder behind when they are stopped, also twice', async () => {
    const servers = await startServers({ environment, rabbitmq: false })
    const [row] = await queryOnce<{ data_directory: string }>(servers.databaseUrl, 'SHOW data_directory')
    expect(() => servers.amqpUrl).toThrow('RabbitMQ was not asked for')
    await Promise.all([servers.stop(), servers.stop()])
    expect(existsSync(dirname(row?.data_directory ?? ''))).toBe(false)
  })

  test('that cannot be had end in one message that says what to do', async () => {
    const unreachable = {
      ...environment,
      TEST_AMQP_URL: 'amqp://127.0.0.1:9',
      RABBITMQ_MANAGEMENT_URL: 'http://127.0.0.1:9',
    }
    const servers = await startServers({ environment: unreachable, postgres: false })
    expect(servers.kind).toEqual({ postgres: undefined, rabbitmq: 'given' })
    await expect(servers.createVhost()).rejects.toThrow(
      'management API at http://127.0.0.1:9 cannot be reached',
    )
    await expect(servers.killRabbitmq()).rejects.toThrow('was given by its URL')
    await servers.stop()
  })
})
