import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { connect } from 'amqplib'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { inheritedEnvironment } from '../../dev/inherited-environment.ts'
import type { CreatedDatabase } from '../../dev/servers/databases.ts'
import { type Servers, startServers } from '../../dev/servers.ts'
import { createSimulator } from '../../simulator/simulator.ts'
import { withTlsFiles } from '../../src/amqp/broker-address.ts'
import { createBroker } from '../../src/amqp/connection.ts'
import { createDatabase } from '../../src/database/database.ts'
import { type AppProcess, startAppProcess } from '../support/app-process.ts'
import { type Authority, type Certified, createAuthority, writePems } from '../support/authority.ts'
import { eventually } from '../support/eventually.ts'
import { buildRequest } from '../support/request-builder.ts'
import { startTlsFront } from '../support/tls-front.ts'

/** Postgres and RabbitMQ with TLS of their own; their certificates are for 127.0.0.1, and not for localhost. */

const stack = new AsyncDisposableStack()
const folder = mkdtempSync(join(tmpdir(), 'tls-test-'))
const silent = pino({ level: 'silent' })

let authority: Authority
let shown: Certified
let servers: Servers
let database: CreatedDatabase
let files: Record<'ca' | 'stranger' | 'cert' | 'key' | 'strangerCert' | 'strangerKey', string>
let environment: Record<string, string>

beforeAll(async () => {
  stack.defer(async () => rmSync(folder, { recursive: true }))
  authority = await createAuthority()
  const stranger = await createAuthority('stranger')
  shown = await authority.certify({ ip: ['127.0.0.1'] })
  const [own, strange] = [await authority.certify({ name: 'provisioner' }), await stranger.certify({})]
  files = writePems(folder, {
    ca: authority.cert,
    stranger: stranger.cert,
    ...own,
    strangerCert: strange.cert,
    strangerKey: strange.key,
  })
  servers = await startServers({ virtualHosts: 1, tls: { ...shown, ca: authority.cert } })
  stack.defer(servers.stop)
  database = await servers.createDatabase()
  const simulator = await createSimulator({ bootMinMs: 20, bootMaxMs: 50 })
  stack.defer(simulator.close)
  const front = await startTlsFront(simulator.url, shown)
  stack.defer(front.close)
  environment = {
    DATABASE_URL: database.url,
    DATABASE_CA_FILE: files.ca,
    AMQP_URL: servers.amqpsUrl,
    AMQP_CA_FILE: files.ca,
    AMQP_CERT_FILE: files.cert,
    AMQP_KEY_FILE: files.key,
    CLOUDDC_ENDPOINT: front.url,
    CLOUDDC_CA_FILE: files.ca,
    SECRET_KEYS: `k:${randomBytes(32).toString('base64')}`,
    POLL_MIN_MS: '100',
  }
})
afterAll(() => stack.disposeAsync())

const readPem = (name: keyof typeof files) => readFileSync(files[name], 'utf8')

const run = (name: string, args: readonly string[] = [], changes: Record<string, string> = {}) =>
  promisify(execFile)(process.execPath, [`src/${name}-main.ts`, ...args], {
    env: { ...inheritedEnvironment(), ...environment, ...changes },
  })

async function startProcess(changes: Record<string, string> = {}): Promise<AppProcess> {
  const app = await startAppProcess({ ...environment, ...changes })
  stack.defer(app.kill)
  return app
}

const readyz = async ({ url }: AppProcess) => {
  const reply = await fetch(`${url}/readyz`)
  return { status: reply.status, body: await reply.text() }
}

test('everything runs on encrypted connections', async () => {
  expect((await run('migrate')).stdout).toContain('the database is up to date')
  const app = await startProcess()
  await app.ready()
  const connection = await connect(servers.amqpUrl)
  const channel = await connection.createConfirmChannel()
  const { project_id, request_id, ...rest } = buildRequest({ project_id: 'p-tls', request_id: 'o-1' })
  const message = JSON.stringify({ project_id, request_id, ...rest })
  channel.sendToQueue('provision.requests', Buffer.from(message), { contentType: 'application/json' })
  await channel.waitForConfirms()
  await connection.close()
  await eventually(async () => {
    const reply = await fetch(`${app.url}/v1/p-tls/provision-requests/o-1`)
    expect(await reply.json()).toMatchObject({ state: 'running' })
  })
  const sql = createDatabase({ url: database.url, poolSize: 1, logger: silent })
  const rows = await sql.query<{ ssl: boolean }>(
    'SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE datname = current_database() AND pid <> pg_backend_pid()',
  )
  await sql.close()
  expect(rows.length).toBeGreaterThan(0)
  expect(rows.every(({ ssl }) => ssl)).toBe(true)
  app.send('SIGTERM')
  expect(await app.ended).toBe(0)
})

test('the commands connect as the service does', async () => {
  await run('migrate')
  const order = join(folder, 'order.json')
  writeFileSync(order, JSON.stringify(buildRequest({ project_id: 'p-tls', request_id: 'o-2' })))
  expect((await run('cli', ['publish', order])).stderr).not.toContain('certificate')
  await expect(run('cli', ['publish', order], { AMQP_CA_FILE: files.stranger })).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('self-signed certificate in certificate chain'),
  })
  await expect(run('migrate', [], { DATABASE_CA_FILE: files.stranger })).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('self-signed certificate in certificate chain'),
  })
  await expect(run('migrate', [], { DATABASE_CA_FILE: '/nowhere' })).rejects.toMatchObject({
    code: 78,
    stderr: expect.stringContaining('DATABASE_CA_FILE: cannot read /nowhere (ENOENT)'),
  })
})

describe('Postgres', () => {
  /** What the server says of a connection by this URL. */
  const connectBy = async (query: string, host = '127.0.0.1') => {
    const url = `${database.url.replace('127.0.0.1', host)}?${query}`
    const sql = createDatabase({ url, poolSize: 1, logger: silent })
    try {
      const seen = 'SELECT version, client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()'
      const [direct, prisma] = [await sql.query(seen), await sql.throughPrisma.query(seen)]
      expect(prisma).toEqual(direct)
      return direct[0]
    } finally {
      await sql.close()
    }
  }
  const ENCRYPTED = { version: 'TLSv1.3', client_dn: null }

  test.each<[string, (names: typeof files) => string, string, object]>([
    ['no word of it', () => '', '127.0.0.1', { version: null }],
    ['disable', () => 'sslmode=disable', '127.0.0.1', { version: null }],
    ['no-verify', () => 'sslmode=no-verify', '127.0.0.1', ENCRYPTED],
    ['an authority', ({ ca }) => `sslrootcert=${ca}`, '127.0.0.1', ENCRYPTED],
    ['require', ({ ca }) => `sslmode=require&sslrootcert=${ca}`, '127.0.0.1', ENCRYPTED],
    ['verify-ca, of another host', ({ ca }) => `sslmode=verify-ca&sslrootcert=${ca}`, 'localhost', ENCRYPTED],
    [
      'a certificate of its own',
      ({ ca, cert, key }) => `sslrootcert=${ca}&sslcert=${cert}&sslkey=${key}`,
      '127.0.0.1',
      { client_dn: '/CN=provisioner' },
    ],
  ])('is reached with %s', async (_, query, host, seen) => {
    expect(await connectBy(query(files), host)).toMatchObject(seen)
  })

  test.each<[string, (names: typeof files) => string, string, string]>([
    ['a public one expected', () => 'sslmode=require', '127.0.0.1', 'SELF_SIGNED_CERT_IN_CHAIN'],
    [
      'another one expected',
      ({ stranger }) => `sslrootcert=${stranger}`,
      '127.0.0.1',
      'SELF_SIGNED_CERT_IN_CHAIN',
    ],
    [
      'another one expected, of whatever host',
      ({ stranger }) => `sslmode=verify-ca&sslrootcert=${stranger}`,
      '127.0.0.1',
      'SELF_SIGNED_CERT_IN_CHAIN',
    ],
    [
      'another host expected',
      ({ ca }) => `sslrootcert=${ca}&sslmode=require`,
      'localhost',
      'ERR_TLS_CERT_ALTNAME_INVALID',
    ],
  ])('is not believed with %s', async (_, query, host, code) => {
    await expect(connectBy(query(files), host)).rejects.toMatchObject({ code })
  })
})

describe('RabbitMQ', () => {
  /** Why there is no session, or null once there is one. */
  const connectBy = async (tls: Parameters<typeof withTlsFiles>[1], host = '127.0.0.1') => {
    const url = withTlsFiles(servers.amqpsUrl.replace('127.0.0.1', host), tls)
    const broker = createBroker({ url, logger: silent })
    await broker.start()
    try {
      return await eventually(() => {
        const health = broker.health()
        if (!health.ok) expect(health.reason).not.toMatch(/connecting/)
        return health.ok ? null : health.reason
      })
    } finally {
      await broker.stop()
    }
  }
  const own = () => ({ certfile: files.cert, keyfile: files.key })

  test('takes the certificate of the service', async () => {
    expect(await connectBy({ cacertfile: files.ca, ...own() })).toBeNull()
  })

  test('refuses who shows none, or one of another authority', async () => {
    const refused = /TLS: the server does not take the certificate that it is shown, or wants one/
    expect(await connectBy({ cacertfile: files.ca })).toMatch(refused)
    const strange = { certfile: files.strangerCert, keyfile: files.strangerKey }
    expect(await connectBy({ cacertfile: files.ca, ...strange })).toMatch(refused)
  })

  test('is not believed when its authority or its host is another', async () => {
    expect(await connectBy({ cacertfile: files.stranger, ...own() })).toMatch(/authority that is not trusted/)
    expect(await connectBy(own())).toMatch(/authority that is not trusted/)
    expect(await connectBy({ cacertfile: files.ca, ...own() }, 'localhost')).toMatch(
      /not one for this host \(Host: localhost\./,
    )
    const expected = { cacertfile: files.ca, ...own(), server_name_indication: 'mq.example' }
    expect(await connectBy(expected)).toMatch(/not one for this host \(Host: mq.example\./)
  })

  test('without TLS on its port is told as such', async () => {
    const broker = createBroker({ url: servers.amqpUrl.replace('amqp:', 'amqps:'), logger: silent })
    await broker.start()
    await eventually(() =>
      expect(broker.health()).toMatchObject({ reason: expect.stringContaining('does not speak TLS') }),
    )
    await broker.stop()
  })
})

describe('a replica', () => {
  test('says what is wrong with a certificate that has expired, and goes on once it is renewed', async () => {
    await run('migrate')
    servers.useCertificate(await authority.certify({ ip: ['127.0.0.1'], days: -1 }))
    const app = await startProcess()
    try {
      await eventually(async () => {
        const { status, body } = await readyz(app)
        expect(status).toBe(503)
        expect(body).toContain("no session with the broker: TLS: the server's certificate has expired")
        expect(body).toContain('Error opening a TLS connection: certificate has expired')
      })
      expect(app.log()).toContain("TLS: the server's certificate has expired")
    } finally {
      servers.useCertificate(shown)
    }
    await app.ready()
    app.send('SIGTERM')
    expect(await app.ended).toBe(0)
  })

  test('shows the broker the certificate that its file holds now', async () => {
    const renewed = writePems(folder, { mine: readPem('strangerCert'), mineKey: readPem('strangerKey') })
    const app = await startProcess({ AMQP_CERT_FILE: renewed.mine, AMQP_KEY_FILE: renewed.mineKey })
    await eventually(async () => {
      expect((await readyz(app)).body).toContain('the server does not take the certificate')
    })
    writePems(folder, { mine: readPem('cert'), mineKey: readPem('key') })
    await app.ready()
    app.send('SIGTERM')
    expect(await app.ended).toBe(0)
  })

  test('does not start with files that are of no use', async () => {
    const app = await startProcess({ AMQP_KEY_FILE: files.strangerKey, CLOUDDC_CA_FILE: files.key })
    expect(await app.ended).toBe(78)
    expect(app.log()).toContain('CLOUDDC_CA_FILE: ')
    expect(app.log()).toMatch(/AMQP_CERT_FILE: the key in .* is not that of the certificate/)
  })
})
