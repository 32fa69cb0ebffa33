import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { ConfigError, type Environment, loadConfig, settingsWithoutEffect } from '../../src/config.ts'

const KEY = Buffer.alloc(32, 7).toString('base64')

const REQUIRED = {
  DATABASE_URL: 'postgresql://user:dbsecret@db/provisioner',
  AMQP_URL: 'amqps://user:mqsecret@broker:5671/vhost',
  CLOUDDC_ENDPOINT: 'https://clouddc.example.com/',
  CLOUDDC_INSECURE: 'on',
  SECRET_KEYS: `k1:${KEY}`,
}

const folder = mkdtempSync(join(tmpdir(), 'config-test-'))
afterAll(() => rmSync(folder, { recursive: true }))

function file(name: string, content: string): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

function faultsOf(env: Environment): readonly string[] {
  try {
    loadConfig(env)
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
  return []
}

describe('a setting of an earlier version', () => {
  test('is no fault, and is named as without effect', () => {
    const env = { ...REQUIRED, UNROUTABLE_EVENT_TTL_MS: '1000' }
    expect(faultsOf(env)).toEqual([])
    expect(settingsWithoutEffect(env)).toEqual(['UNROUTABLE_EVENT_TTL_MS'])
    expect(settingsWithoutEffect({ ...REQUIRED, UNROUTABLE_EVENT_TTL_MS: '' })).toEqual([])
  })
})

test('keys of digests are none of those that seal, under whatever id', () => {
  const [mine, other] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)].map((key) => key.toString('base64'))
  const keys = { ...REQUIRED, SECRET_KEYS: `a:${mine}` }
  expect(faultsOf({ ...keys, DIGEST_KEYS: `a:${other}` })).toEqual([])
  expect(faultsOf({ ...keys, DIGEST_KEYS: `d:${other},e:${mine}` })).toEqual([
    'DIGEST_KEYS: must not have a key of SECRET_KEYS',
  ])
})

describe('the configuration', () => {
  test('has the defaults of the contract', () => {
    expect(loadConfig(REQUIRED)).toMatchObject({
      databaseUrl: REQUIRED.DATABASE_URL,
      amqpUrl: REQUIRED.AMQP_URL,
      clouddcEndpoint: 'https://clouddc.example.com',
      clouddcAuthToken: null,
      clouddcAccessKey: null,
      clouddcSecretKey: null,
      clouddcSecurityToken: null,
      clouddcCredentialsFile: null,
      clouddcRegion: null,
      iamEndpoint: null,
      secretFiles: {},
      rateLimitPerSecond: 5,
      rateLimitBurst: 10,
      dispatchConcurrency: 32,
      callTimeoutMs: 30_000,
      maxAttempts: 8,
      reconcileSettleMs: 60_000,
      pollMinMs: 5000,
      pollMaxMs: 60_000,
      provisionTimeoutMs: 3_600_000,
      leaseMs: 30_000,
      host: '127.0.0.1',
      port: 8080,
      logLevel: 'info',
      shutdownGraceMs: 20_000,
      readinessSharePercent: 2,
      rateAdaptive: false,
    })
  })

  test('cannot be changed, and plays every role by default', () => {
    const config = loadConfig(REQUIRED)
    expect(Object.isFrozen(config)).toBe(true)
    expect([...config.roles]).toEqual(['intake', 'dispatch', 'readiness', 'outbox', 'api', 'maintenance'])
    expect(config.secretKeys).toEqual([{ id: 'k1', key: Buffer.alloc(32, 7) }])
  })

  test('reads fractions, roles, switches and limits of single projects', () => {
    const config = loadConfig({
      ...REQUIRED,
      RATE_LIMIT_PER_SECOND: '0.5',
      RATE_LIMIT_BURST: '1.5',
      RATE_LIMIT_OVERRIDES: '{"p1":{"per_second":0.1,"burst":1}}',
      RATE_ADAPTIVE: 'on',
      ROLES: 'api, intake',
    })
    expect(config).toMatchObject({ rateLimitPerSecond: 0.5, rateLimitBurst: 1.5, rateAdaptive: true })
    expect(config.rateLimitOverrides.get('p1')).toEqual({ perSecond: 0.1, burst: 1 })
    expect([...config.roles]).toEqual(['api', 'intake'])
  })

  test('takes an empty variable for absent, and ignores unknown ones', () => {
    expect(loadConfig({ ...REQUIRED, PORT: '', PROT: '1' }).port).toBe(8080)
  })
})

describe('the names of the vendor’s SDKs', () => {
  const SDK = {
    HUAWEICLOUD_SDK_AK: 'AK',
    HUAWEICLOUD_SDK_SK: 'Secret-key',
    HUAWEICLOUD_SDK_SECURITY_TOKEN: 'token',
    HUAWEICLOUD_SDK_IAM_ENDPOINT: 'https://iam.example',
  }

  test('are taken for ours', () => {
    expect(loadConfig({ ...REQUIRED, ...SDK })).toMatchObject({
      clouddcAccessKey: 'AK',
      clouddcSecretKey: 'Secret-key',
      clouddcSecurityToken: 'token',
      iamEndpoint: 'https://iam.example',
    })
    const { HUAWEICLOUD_SDK_SK: _, ...half } = SDK
    expect(faultsOf({ ...REQUIRED, ...half })).toEqual(['CLOUDDC_SECRET_KEY: is required with an access key'])
  })

  test.each([
    { CLOUDDC_AUTH_TOKEN: 'own' },
    { CLOUDDC_AUTH_TOKEN_FILE: file('own-token', 'own') },
    {
      CLOUDDC_CREDENTIALS_FILE: file(
        'own.json',
        '{"version":1,"credentials":{"default":{"kind":"token","token":"t"}}}',
      ),
    },
  ])('count for nothing beside a credential of ours: %j', (own) => {
    expect(loadConfig({ ...REQUIRED, ...SDK, ...own, IAM_ENDPOINT: 'https://own.example' })).toMatchObject({
      clouddcAccessKey: null,
      clouddcSecurityToken: null,
      iamEndpoint: 'https://own.example',
    })
  })
})

describe('calls to CloudDC', () => {
  const { CLOUDDC_INSECURE: _, ...SECURE } = REQUIRED
  const KEYS = { CLOUDDC_ACCESS_KEY: 'AK', CLOUDDC_SECRET_KEY: 'Secret-key' }

  test.each([
    ['without a credential', {}, ['CLOUDDC_CREDENTIALS_FILE']],
    ['over http', { ...KEYS, CLOUDDC_ENDPOINT: 'http://cloud' }, ['CLOUDDC_ENDPOINT']],
    ['with an IAM over http', { ...KEYS, IAM_ENDPOINT: 'http://iam' }, ['IAM_ENDPOINT']],
    ['that only look local', { CLOUDDC_ENDPOINT: 'https://localhost.evil' }, ['CLOUDDC_CREDENTIALS_FILE']],
    ['with keys', KEYS, []],
    ['to this machine', { CLOUDDC_ENDPOINT: 'http://127.0.0.2:80', IAM_ENDPOINT: 'http://[::1]' }, []],
  ])('%s: %j', (_case, settings, names) => {
    const env = { ...SECURE, ...settings }
    expect(faultsOf(env).map((fault) => fault.split(':')[0])).toEqual(names)
    expect(faultsOf({ ...env, CLOUDDC_INSECURE: 'on' })).toEqual([])
  })

  test('go to the region where no endpoint is given', () => {
    const { CLOUDDC_ENDPOINT: __, ...rest } = { ...SECURE, ...KEYS, CLOUDDC_REGION: 'cn-east-3' }
    expect(loadConfig(rest).clouddcEndpoint).toBe('https://clouddc.cn-east-3.myhuaweicloud.com')
    expect(loadConfig({ ...SECURE, ...rest }).clouddcEndpoint).toBe('https://clouddc.example.com')
  })

  test('are not made with a credentials file that has faults: all are named, without a secret', () => {
    const path = file(
      'credentials.json',
      JSON.stringify({ version: 1, credentials: { a: { kind: 'aksk', access_key: 'Canary AK' } } }),
    )
    const faults = faultsOf({ ...SECURE, CLOUDDC_CREDENTIALS_FILE: path })
    expect(faults).toHaveLength(2)
    for (const fault of faults) expect(fault).toMatch(/^CLOUDDC_CREDENTIALS_FILE: credentials\.a\./)
    expect(faults.join()).not.toContain('Canary')
    const missing = faultsOf({ ...SECURE, CLOUDDC_CREDENTIALS_FILE: '/nonexistent/file' })
    expect(missing).toEqual(['CLOUDDC_CREDENTIALS_FILE: cannot read /nonexistent/file (ENOENT)'])
  })
})

describe('secrets from files', () => {
  test('are read without the line end', () => {
    const { AMQP_URL, DATABASE_URL, SECRET_KEYS, ...rest } = REQUIRED
    const config = loadConfig({
      ...rest,
      AMQP_URL_FILE: file('amqp', `${AMQP_URL}\n`),
      DATABASE_URL_FILE: file('database', DATABASE_URL),
      SECRET_KEYS_FILE: file('keys', `${SECRET_KEYS}\n`),
      CLOUDDC_AUTH_TOKEN_FILE: file('token', 'sesame\n'),
    })
    expect(config).toMatchObject({
      amqpUrl: AMQP_URL,
      databaseUrl: DATABASE_URL,
      clouddcAuthToken: 'sesame',
      secretFiles: { clouddcAuthToken: join(folder, 'token') },
    })
    expect(config.secretKeys).toHaveLength(1)
  })

  test('must not be given as a value as well', () => {
    expect(faultsOf({ ...REQUIRED, AMQP_URL_FILE: file('amqp', REQUIRED.AMQP_URL) })).toEqual([
      'AMQP_URL: given twice, as AMQP_URL and as AMQP_URL_FILE',
    ])
  })

  test.each([
    ['missing', (): string => join(folder, 'nowhere'), /^AMQP_URL_FILE: cannot read .*nowhere \(ENOENT\)$/],
    ['empty', (): string => file('empty', '\n'), /^AMQP_URL_FILE: .*empty is empty$/],
  ])('are one fault when the file is %s', (_case, path, fault) => {
    const { AMQP_URL: _, ...rest } = REQUIRED
    expect(faultsOf({ ...rest, AMQP_URL_FILE: path() })).toEqual([expect.stringMatching(fault)])
  })
})

describe('faults', () => {
  test('are listed all at once, one per line', () => {
    const env = { DATABASE_URL: 'mysql://db', PORT: '70000', LOG_LEVEL: 'loud', CALL_TIMEOUT_MS: '1.5' }
    const faults = faultsOf(env)
    expect(faults.map((fault) => fault.split(':')[0])).toEqual([
      'DATABASE_URL',
      'AMQP_URL',
      'CLOUDDC_ENDPOINT',
      'SECRET_KEYS',
      'CALL_TIMEOUT_MS',
      'PORT',
      'LOG_LEVEL',
    ])
    expect(() => loadConfig(env)).toThrow(faults.map((fault) => `  ${fault}`).join('\n'))
  })

  test.each<[string, string]>([
    ['AMQP_URL', 'http://broker'],
    ['DATABASE_URL', 'not a url'],
    ['CLOUDDC_ENDPOINT', 'ftp://clouddc'],
    ['CLOUDDC_ENDPOINT', 'https://user:password@clouddc'],
    ['CLOUDDC_ENDPOINT', 'https://clouddc/?x=1'],
    ['SECRET_KEYS', 'k1:c2hvcnQ='],
    ['SECRET_KEYS', `k1:${KEY},k1:${KEY}`],
    ['CLOUDDC_AUTH_TOKEN', 'two words'],
    ['CLOUDDC_REGION', 'the-moon'],
    ['IAM_ENDPOINT', 'iam'],
    ['CLOUDDC_INSECURE', 'maybe'],
    ['RATE_LIMIT_PER_SECOND', '0'],
    ['RATE_LIMIT_PER_SECOND', '-1'],
    ['RATE_LIMIT_PER_SECOND', 'Infinity'],
    ['RATE_LIMIT_BURST', '0.9'],
    ['RATE_LIMIT_OVERRIDES', '{'],
    ['RATE_LIMIT_OVERRIDES', '[]'],
    ['RATE_LIMIT_OVERRIDES', '{"p":{"per_second":1}}'],
    ['RATE_LIMIT_OVERRIDES', '{"p":{"per_second":1,"burst":1,"brust":2}}'],
    ['RATE_LIMIT_OVERRIDES', '{"a project":{"per_second":1,"burst":1}}'],
    ['RATE_ADAPTIVE', 'maybe'],
    ['ROLES', 'api,cook'],
    ['ROLES', 'all,api'],
    ['LEASE_MS', '2147483648'],
    ['POLL_MIN_MS', '60001'],
    ['POLL_MAX_MS', '1e3'],
    ['DELIVERY_LIMIT', '1'],
    ['RETENTION_DAYS', '91'],
    ['PORT', '-1'],
  ])('%s=%s', (name, value) => {
    const faults = faultsOf({ ...REQUIRED, [name]: value })
    expect(faults).not.toEqual([])
    for (const fault of faults) expect(fault.startsWith(name)).toBe(true)
  })

  test('never hold the value of a secret', () => {
    const secret = 'Canary-Passw0rd'
    const text = faultsOf({
      DATABASE_URL: `mysql://user:${secret}@db`,
      AMQP_URL: `http://user:${secret}@broker`,
      CLOUDDC_AUTH_TOKEN: `${secret} ${secret}`,
      CLOUDDC_ENDPOINT: `https://user:${secret}@clouddc`,
      SECRET_KEYS: `k1:${secret}`,
    }).join('\n')
    expect(text.split('\n')).toHaveLength(5)
    expect(text).not.toContain(secret)
  })
})
