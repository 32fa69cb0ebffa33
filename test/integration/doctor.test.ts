import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'amqplib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { SimulatorOptions } from '../../simulator/options.ts'
import { createSimulator, type Simulator } from '../../simulator/simulator.ts'
import { examine } from '../../src/doctor/doctor.ts'
import { createAuthority, writePems } from '../support/authority.ts'
import { createTestBroker, type TestBroker } from '../support/broker.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { runDoctor } from '../support/doctor.ts'
import { answer, startScriptedCloudDc } from '../support/scripted-clouddc.ts'
import { startTlsFront } from '../support/tls-front.ts'

const SECRET_KEY = 'Canary-secret-key'
const PASSWORD = 'Canary-pa55'
const NOBODY = '127.0.0.1:9'
const PROJECT = 'p-doctor'

const stack = new AsyncDisposableStack()
const folder = mkdtempSync(join(tmpdir(), 'doctor-'))
let database: TestDatabase
let broker: TestBroker
let simulator: Simulator
let environment: Record<string, string>

beforeAll(async () => {
  stack.defer(async () => rmSync(folder, { recursive: true }))
  database = stack.use(await createTestDatabase())
  broker = stack.use(await createTestBroker())
  simulator = await startSimulator()
  environment = {
    DATABASE_URL: database.url,
    AMQP_URL: broker.url,
    CLOUDDC_ENDPOINT: simulator.url,
    IAM_ENDPOINT: simulator.iamUrl,
    CLOUDDC_ACCESS_KEY: 'AKAKAK',
    CLOUDDC_SECRET_KEY: SECRET_KEY,
    SECRET_KEYS: `k:${randomBytes(32).toString('base64')}`,
  }
})
afterAll(() => stack.disposeAsync())

async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const started = await createSimulator({
    authMode: 'required',
    aksk: [`AKAKAK:${SECRET_KEY}`],
    iamUsers: [`orderer:${PASSWORD}`],
    ...options,
  })
  stack.defer(started.close)
  return started
}

/** What is found by name; undefined in `changes` takes a variable away. */
async function found(
  changes: Record<string, string | undefined> = {},
  { projectId = PROJECT, now = false }: { projectId?: string; now?: boolean } = {},
) {
  const findings = await examine({ environment: { ...environment, ...changes }, projectId, now })
  expect(JSON.stringify(findings)).not.toContain('Canary')
  for (const { state, next } of findings)
    expect(next === null, JSON.stringify(findings)).toBe(state === 'ok' || state === 'skipped')
  return Object.fromEntries(findings.map(({ name, ...rest }) => [name, rest]))
}

const isFault = (says: string | RegExp, next: string | RegExp = /./) => ({
  state: 'fault',
  says: expect.stringMatching(says),
  next: expect.stringMatching(next),
})
const OK = { state: 'ok' }
const SKIPPED = { state: 'skipped', next: null }

/** Nothing of a virtual host is made by looking at it. */
const queueIsThere = async () => {
  const connection = await connect(broker.url)
  connection.on('error', () => undefined)
  const channel = await connection.createChannel()
  channel.on('error', () => undefined)
  return channel
    .checkQueue('provision.requests')
    .then(() => true)
    .catch(() => false)
    .finally(() => connection.close())
}

describe('where everything is well', () => {
  test('one screen says so, and nothing is ordered, declared or stored', async () => {
    const before = simulator.ledger.calls({}).length
    const { code, stdout, stderr } = await runDoctor(environment, ['--project', PROJECT])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/ok +database +PostgreSQL [\d.]+ at 127\.0\.0\.1:\d+, database clouddc_/)
    expect(stdout).toMatch(/ok +broker +RabbitMQ \d+\.\d+/)
    expect(stdout).toMatch(/ok +topology +not there yet: .*provision\.requests/)
    expect(stdout).toMatch(/ok +credential +default, keys, from the environment, no end known/)
    expect(stdout).toMatch(/ok +call +ListInstances answers: 0 instances/)
    expect(stdout).toMatch(/ok +clock/)
    expect(stdout).toMatch(/warning +replicas +none of the service is running\n.*-> npm start/)
    expect(stdout).toContain(`An order of project ${PROJECT} would work.`)
    expect(stdout.trimEnd().split('\n').length).toBeLessThanOrEqual(24)
    const calls = simulator.ledger.calls({}).slice(before)
    expect(calls.map(({ operation }) => operation)).toEqual(['ListInstances'])
    expect(await queueIsThere()).toBe(false)
    expect(await database.query('SELECT 1 FROM rate_bucket')).toEqual([])
  })

  test('the same for machines', async () => {
    const { code, stdout } = await runDoctor(environment, ['--project', PROJECT, '--json'])
    expect(code).toBe(0)
    const report = JSON.parse(stdout)
    expect(report).toMatchObject({ project_id: PROJECT, works: true })
    expect(report.checks.map(({ name }: { name: string }) => name)).toEqual([
      'configuration',
      'database',
      'migrations',
      'rights',
      'replicas',
      'broker',
      'topology',
      'region',
      'credential',
      'budget',
      'call',
      'clock',
    ])
  })

  test.each([[[]], [['--project', 'p/q']], [['--project', 'p', '--order']]])(
    '%j is no command',
    async (args) => {
      const { code, stderr } = await runDoctor(environment, args)
      expect(code).toBe(64)
      expect(stderr).toContain('npm run doctor')
    },
  )
})

describe('the configuration', () => {
  test('at fault is told whole, and what is sound is looked at', async () => {
    const { code, stdout } = await runDoctor(
      { ...environment, DATABASE_URL: 'nowhere', PORT: 'x', POLL_MIN_MS: '70000' },
      ['--project', PROJECT],
    )
    expect(code).toBe(78)
    expect(stdout).toMatch(/fault +configuration +DATABASE_URL: /)
    expect(stdout).toContain('PORT: must be a whole number')
    // A start tells of it only once the others are gone.
    expect(stdout).toContain('POLL_MIN_MS: must not be above POLL_MAX_MS')
    expect(stdout).toMatch(/skipped +database/)
    expect(stdout).toMatch(/ok +broker/)
    expect(stdout).toMatch(/ok +call/)
  })

  test('without anything at all is a list of what is missing', async () => {
    const { code, stdout } = await runDoctor({}, ['--project', PROJECT])
    expect(code).toBe(78)
    for (const name of ['DATABASE_URL', 'AMQP_URL', 'CLOUDDC_ENDPOINT', 'SECRET_KEYS'])
      expect(stdout).toContain(`${name}: is required`)
    expect(stdout.match(/skipped/g)).toHaveLength(3)
  })

  test('without a credential is one fault, and the servers are looked at', async () => {
    const { CLOUDDC_ACCESS_KEY: _, CLOUDDC_SECRET_KEY: __, ...others } = environment
    const findings = await examine({
      environment: { ...others, CLOUDDC_ENDPOINT: 'https://cloud.invalid' },
      projectId: PROJECT,
      now: false,
    })
    expect(findings.map(({ state }) => state)).toEqual([
      'fault',
      'ok',
      'ok',
      'ok',
      'warning',
      'ok',
      'ok',
      'skipped',
    ])
    expect(findings[0]?.says).toMatch(/^CLOUDDC_CREDENTIALS_FILE: there is no credential[^\n]*$/)
  })

  test('that does not let the project order is a fault', async () => {
    expect(await found({ PROJECTS: 'p-1,p-2' })).toMatchObject({
      configuration: isFault(/PROJECTS does not list p-doctor/),
    })
  })
})

describe('PostgreSQL', () => {
  const at = (change: (url: URL) => void) => {
    const url = new URL(environment.DATABASE_URL ?? '')
    change(url)
    return { DATABASE_URL: url.href }
  }

  test.each<[string, (url: URL) => void, RegExp, RegExp]>([
    ['down', (url) => (url.host = NOBODY), /nobody listens at 127\.0\.0\.1:9/, /start it/],
    ['unknown', (url) => (url.hostname = 'db.invalid'), /name of db\.invalid:\d+ cannot be resolved/, /DNS/],
    [
      'not for this password',
      (url) => (url.password = PASSWORD),
      /refuses the password of role postgres/,
      /user and password in DATABASE_URL/,
    ],
    ['without the database', (url) => (url.pathname = '/nothing'), /no database nothing/, /CREATE DATABASE/],
    ['without TLS', (url) => (url.search = '?sslmode=require'), /has no TLS/, /sslmode=disable/],
  ])('%s does not hide the rest', async (_, change, says, next) => {
    expect(await found(at(change))).toMatchObject({
      database: isFault(says, next),
      migrations: SKIPPED,
      rights: SKIPPED,
      replicas: SKIPPED,
      broker: OK,
      credential: OK,
      budget: SKIPPED,
      call: OK,
    })
  })

  test('that is not migrated says what to run', async () => {
    await using empty = await createTestDatabase({ empty: true })
    expect(await found({ DATABASE_URL: empty.url })).toMatchObject({
      database: OK,
      migrations: isFault(/not applied: \d+_/, /npm run migrate/),
      rights: SKIPPED,
      call: OK,
    })
  })

  test('whose role lacks rights says which', async () => {
    const role = `doctor_${randomBytes(4).toString('hex')}`
    await database.query(`CREATE ROLE ${role} LOGIN PASSWORD 'role-password'`)
    try {
      await database.query(`GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`)
      await database.query(`GRANT INSERT, UPDATE, DELETE ON rate_bucket TO ${role}`)
      const { rights } = await found({
        ...at((url) => {
          url.username = role
          url.password = 'role-password'
        }),
      })
      expect(rights).toMatchObject(
        isFault(/DELETE, INSERT, UPDATE on provision_request/, /migrate -- --grant/),
      )
      expect(rights?.says).not.toMatch(/rate_bucket|_prisma_migrations/)
    } finally {
      await database.query(`DROP OWNED BY ${role}`)
      await database.query(`DROP ROLE ${role}`)
    }
  })
})

describe('RabbitMQ', () => {
  const at = (change: (url: URL) => void) => {
    const url = new URL(environment.AMQP_URL ?? '')
    change(url)
    return { AMQP_URL: url.href }
  }

  test.each<[string, (url: URL) => void, RegExp, RegExp]>([
    ['down', (url) => (url.host = NOBODY), /nobody listens at amqp:\/\/127\.0\.0\.1:9/, /start it/],
    [
      'not for this password',
      (url) => (url.password = PASSWORD),
      /refuses user \S+ or the password/,
      /user and password in AMQP_URL/,
    ],
    ['without the virtual host', (url) => (url.pathname = '/nothing'), /virtual host/, /add_vhost/],
    ['without TLS', (url) => (url.href = url.href.replace('amqp:', 'amqps:')), /does not speak TLS/, /port/],
  ])('%s does not hide the rest', async (_, change, says, next) => {
    expect(await found(at(change))).toMatchObject({
      database: OK,
      broker: isFault(says, next),
      topology: SKIPPED,
      call: OK,
    })
  })

  test('with something else under a name of ours says so', async () => {
    await using other = await createTestBroker()
    const connection = await connect(other.url)
    const channel = await connection.createChannel()
    await channel.assertExchange('provision.events', 'fanout')
    for (const [name, type] of [
      ['provision.dead', 'fanout'],
      ['provision', 'topic'],
      ['provision.wakeups', 'fanout'],
      ['provision.replay', 'direct'],
    ] as const)
      await channel.assertExchange(name, type)
    for (const queue of ['provision.requests', 'provision.requests.dead'])
      await channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'quorum' } })
    await connection.close()
    expect(await found({ AMQP_URL: other.url })).toMatchObject({
      broker: OK,
      topology: isFault(/exchange provision\.events exists with other properties/),
    })
  })
})

describe('CloudDC', () => {
  const credentialsFile = (credentials: object, projects: object = {}, more: object = {}) => {
    const path = join(folder, `${randomBytes(4).toString('hex')}.json`)
    writeFileSync(path, JSON.stringify({ version: 1, credentials, default: 'lab', projects, ...more }))
    return { CLOUDDC_CREDENTIALS_FILE: path, CLOUDDC_ACCESS_KEY: undefined, CLOUDDC_SECRET_KEY: undefined }
  }
  const lab = { kind: 'password', user: 'orderer', password: PASSWORD, domain: 'account' }

  test('by a token: its end is told, and IAM is asked once', async () => {
    const asked = () => simulator.ledger.calls({ service: 'iam' }).length
    const before = asked()
    const { credential, call } = await found(credentialsFile({ lab }))
    expect(credential).toMatchObject({
      ...OK,
      says: expect.stringMatching(/^lab, password, fetched now, ends in 2[34] hours$/),
    })
    expect(call).toMatchObject(OK)
    expect(asked()).toBe(before + 1)
  })

  test('is not called where IAM refuses the password, and IAM is not asked again', async () => {
    const before = simulator.ledger.calls({}).length
    expect(await found(credentialsFile({ lab: { ...lab, password: 'Canary-wrong' } }))).toMatchObject({
      credential: isFault(
        /^IAM refuses the password of credential lab \(HTTP 401/,
        /^check user, password and domain/,
      ),
      call: SKIPPED,
      clock: SKIPPED,
    })
    expect(simulator.ledger.calls({}).slice(before)).toHaveLength(1)
  })

  test.each<[string, Record<string, string>, string, RegExp, RegExp]>([
    [
      'IAM is down',
      { IAM_ENDPOINT: `http://${NOBODY}` },
      'credential',
      /IAM: nobody listens/,
      /IAM_ENDPOINT/,
    ],
    [
      'the region has no such host',
      { CLOUDDC_ENDPOINT: 'https://clouddc.xx-nowhere-1.invalid' },
      'region',
      /the name clouddc\.xx-nowhere-1\.invalid cannot be resolved/,
      /CLOUDDC_ENDPOINT/,
    ],
    ['CloudDC is down', { CLOUDDC_ENDPOINT: `http://${NOBODY}` }, 'call', /CloudDC: nobody listens/, /./],
  ])('%s: says so', async (_, changes, name, says, next) => {
    const findings = await found({ ...credentialsFile({ lab }), ...changes })
    expect(findings[name]).toMatchObject(isFault(says, next))
    if (name !== 'call') expect(findings.call).toMatchObject(SKIPPED)
    expect(findings.broker).toMatchObject(OK)
  })

  test('at a wrong path, or answered by something else, is told as an address', async () => {
    expect(await found({ CLOUDDC_ENDPOINT: `${simulator.url}/nowhere` })).toMatchObject({
      call: isFault(/does not know CloudDC's calls \(HTTP 404 APIGW\.0101\)/, /CLOUDDC_ENDPOINT/),
    })
  })

  test.each<[string, Record<string, string>, RegExp, RegExp]>([
    ['a wrong secret key', { CLOUDDC_SECRET_KEY: 'Canary-other' }, /the signature is wrong/, /secret key/],
    ['an unknown access key', { CLOUDDC_ACCESS_KEY: 'NOBODY' }, /no such access key/, /access key/],
  ])('refuses %s', async (_, changes, says, next) => {
    const own = await startSimulator()
    expect(await found({ ...changes, CLOUDDC_ENDPOINT: own.url })).toMatchObject({
      credential: OK,
      call: isFault(says, next),
    })
    expect(own.ledger.calls({})).toHaveLength(1)
  })

  test('that has locked the key is told as such', async () => {
    const own = await startSimulator()
    const wrong = { CLOUDDC_ENDPOINT: own.url, CLOUDDC_SECRET_KEY: 'Canary-other' }
    for (let tries = 0; tries < 5; tries += 1) await found(wrong)
    expect(await found(wrong)).toMatchObject({ call: isFault(/the key is locked/, /wait five minutes/) })
  })

  test('forbids the project', async () => {
    const own = await startSimulator({ projects: ['p-other'] })
    expect(await found({ CLOUDDC_ENDPOINT: own.url })).toMatchObject({
      call: isFault(/forbids project p-doctor to credential default/, /project id/),
    })
  })

  test('in another region than the project forbids it', async () => {
    const own = await startSimulator({ projectRegions: { [PROJECT]: 'cn-east-3' } })
    expect(await found({ CLOUDDC_ENDPOINT: own.url })).toMatchObject({ call: isFault(/forbids/, /region/) })
  })

  test('whose clock is another is called by its time, and the clock is told of', async () => {
    const theirs = () => ({ Date: new Date(Date.now() + 3_600_000).toUTCString() })
    const words = 'calc aksk signature fail:signature expired, signature time:..,server time:..'
    const cloud = await startScriptedCloudDc({
      script: (socket, arrival) =>
        cloud.arrivals.length === 1
          ? answer(401, { error_code: 'APIGW.0301', error_msg: words }, theirs())(socket, arrival)
          : answer(200, { instances: [] }, theirs())(socket, arrival),
    })
    stack.defer(cloud.close)
    const findings = await found({ CLOUDDC_ENDPOINT: cloud.endpoint })
    expect(findings.call).toMatchObject(OK)
    expect(findings.clock).toMatchObject({
      state: 'warning',
      says: expect.stringMatching(/this machine's clock is (59|60) minutes behind CloudDC's/),
      next: expect.stringContaining('NTP'),
    })
    const times = cloud.arrivals.map(({ headers }) => headers['x-sdk-date'] ?? '')
    expect(times).toHaveLength(2)
    expect(times[1]?.slice(0, 11)).not.toBe(times[0]?.slice(0, 11))
  })

  test('that cannot be believed is not called', async () => {
    const authority = await createAuthority()
    const front = await startTlsFront(simulator.url, await authority.certify({ ip: ['127.0.0.1'] }))
    stack.defer(front.close)
    const { ca } = writePems(folder, { ca: authority.cert })
    const before = simulator.ledger.calls({}).length
    expect(await found({ CLOUDDC_ENDPOINT: front.url })).toMatchObject({
      call: isFault(/authority that is not trusted/, /CLOUDDC_CA_FILE/),
    })
    expect(simulator.ledger.calls({})).toHaveLength(before)
    expect(await found({ CLOUDDC_ENDPOINT: front.url, CLOUDDC_CA_FILE: ca })).toMatchObject({ call: OK })
  })

  test.each([
    [
      { kind: 'token_file', path: '/nowhere/token' },
      /could not be read \(ENOENT.*\/nowhere\/token/,
      /file of the token/,
    ],
    [
      { kind: 'metadata', endpoint: `http://${NOBODY}` },
      /the metadata service: nobody listens/,
      /an ECS with an agency/,
    ],
  ])('by $kind that is not there: what to look at is said', async (lab, says, next) => {
    expect(await found(credentialsFile({ lab }))).toMatchObject({ credential: isFault(says, next) })
  })

  test('that refuses a call without any credential: where to name one is said', async () => {
    const none = { CLOUDDC_ACCESS_KEY: undefined, CLOUDDC_SECRET_KEY: undefined }
    expect(await found(none)).toMatchObject({ call: isFault(/without a credential/, /CLOUDDC_ACCESS_KEY/) })
  })

  test('without a credential for the project is not called', async () => {
    const path = join(folder, 'no-default.json')
    writeFileSync(path, JSON.stringify({ version: 1, credentials: { lab } }))
    const file = { ...credentialsFile({ lab }), CLOUDDC_CREDENTIALS_FILE: path }
    expect(await found(file)).toMatchObject({
      credential: isFault(/project p-doctor has no credential/, /CLOUDDC_CREDENTIALS_FILE/),
      call: SKIPPED,
    })
  })
})

describe('the call budget', () => {
  const openBucket = async (projectId: string, columns: { tokens?: number; closed?: string } = {}) => {
    const { tokens = 5, closed = null } = columns
    await database.query(
      `INSERT INTO rate_bucket (project_id, refill_per_second, capacity, tokens, refilled_at, blocked_until, blocked_reason)
       VALUES ($1, 0.001, 10, $2, now(), CASE WHEN $3::text IS NOT NULL THEN now() + interval '1 hour' END, $3)`,
      [projectId, tokens, closed],
    )
  }
  const tokensOf = async (projectId: string) => {
    const rows = await database.query<{ tokens: number }>(
      'SELECT tokens FROM rate_bucket WHERE project_id = $1',
      [projectId],
    )
    return rows[0]?.tokens ?? Number.NaN
  }
  const callsOf = (project: string) => simulator.ledger.calls({ project })

  test('pays for the one call, and is told', async () => {
    await openBucket('p-paid')
    const findings = await found({}, { projectId: 'p-paid' })
    expect(findings.budget).toMatchObject({ ...OK, says: expect.stringContaining('5 tokens now') })
    expect(findings.call).toMatchObject(OK)
    expect(callsOf('p-paid')).toHaveLength(1)
    expect(await tokensOf('p-paid')).toBeLessThan(4.1)
  })

  test('gets its token back where the call is not made', async () => {
    await openBucket('p-unmade')
    const findings = await found({ CLOUDDC_ENDPOINT: `http://${NOBODY}` }, { projectId: 'p-unmade' })
    expect(findings.call).toMatchObject({ state: 'fault' })
    expect(await tokensOf('p-unmade')).toBeGreaterThan(4.4)
  })

  test('without a token makes no call', async () => {
    await openBucket('p-empty', { tokens: 0 })
    expect((await found({}, { projectId: 'p-empty' })).call).toMatchObject({
      state: 'warning',
      says: 'no token became free',
    })
    expect(callsOf('p-empty')).toEqual([])
  })

  test('of a paused project says so, and the call is made: no order would work, but reading does', async () => {
    await openBucket('p-paused')
    await database.query(
      `INSERT INTO pause (project_id, since, until, who, reason)
       VALUES ('p-paused', now(), now() + interval '1 hour', 'key:console', 'maintenance of the region')`,
    )
    expect(await found({}, { projectId: 'p-paused' })).toMatchObject({
      budget: isFault(
        /no order is sent: the project is paused: maintenance of the region; until \d{4}-/,
        /resume it/,
      ),
      call: OK,
    })
  })

  test('that is closed says why, and only --now makes a call', async () => {
    await openBucket('p-closed', { closed: 'unauthorized' })
    const closed = await found({}, { projectId: 'p-closed' })
    expect(closed).toMatchObject({
      budget: isFault(
        /calls of project p-closed are held back: unauthorized, until \d{4}-/,
        /mend the credential/,
      ),
      call: SKIPPED,
    })
    expect(callsOf('p-closed')).toEqual([])
    const { code, stdout } = await runDoctor(environment, ['--project', 'p-closed', '--now'])
    expect(stdout).toMatch(/warning +budget +calls of project p-closed are held back: unauthorized/)
    expect(stdout).toMatch(/ok +call/)
    expect(code).toBe(0)
    expect(callsOf('p-closed')).toHaveLength(1)
  })

  const openCredential = async (projectId: string, blockedFor: string) => {
    await openBucket(projectId)
    await database.query("UPDATE rate_bucket SET credential_id = 'default' WHERE project_id = $1", [
      projectId,
    ])
    await database.query(
      `INSERT INTO credential_bucket
         (credential_id, refill_per_second, capacity, tokens, refilled_at, due_at, blocked_until, blocked_reason, troubles)
       VALUES ('default', 0.001, 10, 5, now(), now() + $1::interval, now() + $1::interval, 'unauthorized', 1)
       ON CONFLICT (credential_id) DO UPDATE SET due_at = EXCLUDED.due_at, blocked_until = EXCLUDED.blocked_until, blocked_reason = 'unauthorized'`,
      [blockedFor],
    )
  }
  const credential = async () =>
    (
      await database.query<{ reason: string | null; closed: boolean }>(
        "SELECT blocked_reason AS reason, blocked_until > now() AS closed FROM credential_bucket WHERE credential_id = 'default'",
      )
    )[0]

  test('of the credential, closed, holds the call back as well', async () => {
    await openCredential('p-credential-closed', '1 hour')
    expect(await found({}, { projectId: 'p-credential-closed' })).toMatchObject({
      budget: isFault(/calls of credential default are held back: unauthorized/, /mend the credential/),
      call: SKIPPED,
    })
  })

  test('of a credential that waits for its probe is told what became of it', async () => {
    await openCredential('p-probe', '-1 second')
    const refused = await found({ CLOUDDC_SECRET_KEY: 'Canary-other' }, { projectId: 'p-probe' })
    expect(refused.budget).toMatchObject({ ...OK, says: expect.stringContaining('the next call is a probe') })
    expect(refused.call).toMatchObject(isFault(/the signature is wrong/))
    expect(await credential()).toEqual({ reason: 'unauthorized', closed: true })
    await openCredential('p-probe-again', '-1 second')
    expect((await found({}, { projectId: 'p-probe-again' })).call).toMatchObject(OK)
    expect(await credential()).toEqual({ reason: null, closed: null })
  })
})
