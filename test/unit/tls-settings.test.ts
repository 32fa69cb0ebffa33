import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseBrokerUrl, tlsOptionsOf } from '../../src/amqp/broker-address.ts'
import { ConfigError, type Environment, loadConfig } from '../../src/config.ts'
import { parseDatabaseUrl } from '../../src/database/server-address.ts'
import { type Certified, createAuthority, writePems } from '../support/authority.ts'

const REQUIRED = {
  DATABASE_URL: 'postgresql://user:dbsecret@db/provisioner',
  AMQP_URL: 'amqps://user:mqsecret@broker:5671/vhost',
  CLOUDDC_ENDPOINT: 'http://127.0.0.1:9',
  SECRET_KEYS: `k1:${Buffer.alloc(32, 7).toString('base64')}`,
}

const folder = mkdtempSync(join(tmpdir(), 'tls-settings-'))
afterAll(() => rmSync(folder, { recursive: true }))

let files: Record<'ca' | 'cert' | 'key' | 'otherKey' | 'lockedKey' | 'torn' | 'nonsense', string>
let own: Certified
let authority: string
beforeAll(async () => {
  const created = await createAuthority()
  authority = created.cert
  own = await created.certify({ name: 'provisioner' })
  const cipher = { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' } as const
  files = writePems(folder, {
    ca: authority,
    cert: own.cert,
    key: own.key,
    otherKey: (await created.certify({})).key,
    lockedKey: generateKeyPairSync('ed25519').privateKey.export(cipher).toString(),
    torn: authority.replace(/\n.{8}/, '\n########'),
    nonsense: 'Canary-secret',
  })
})

function faultsOf(env: Environment): readonly string[] {
  try {
    loadConfig({ ...REQUIRED, ...env })
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
  return []
}

test('the files of TLS are part of the addresses, and so of every connection', () => {
  const config = loadConfig({
    ...REQUIRED,
    DATABASE_CA_FILE: files.ca,
    AMQP_CA_FILE: files.ca,
    AMQP_CERT_FILE: files.cert,
    AMQP_KEY_FILE: files.key,
    CLOUDDC_CA_FILE: files.ca,
  })
  expect(parseDatabaseUrl(config.databaseUrl)).toEqual({
    connectionString: REQUIRED.DATABASE_URL,
    ssl: { ca: authority },
  })
  const broker = parseBrokerUrl(config.amqpUrl, { heartbeatSeconds: 10 })
  expect(broker.url).toBe('amqps://broker:5671/vhost?heartbeat=10')
  expect(tlsOptionsOf(broker)).toEqual({ ca: authority, ...own })
  expect(config.clouddcCaFile).toBe(files.ca)
})

test('faults of all files come in one message, and none shows what a file holds', () => {
  const faults = faultsOf({
    DATABASE_CA_FILE: join(folder, 'nowhere'),
    AMQP_CA_FILE: files.nonsense,
    AMQP_CERT_FILE: files.cert,
    CLOUDDC_CA_FILE: folder,
    IAM_ENDPOINT: 'http://iam',
  })
  expect(faults.map((fault) => fault.replaceAll(folder, ''))).toEqual([
    'CLOUDDC_CA_FILE: cannot read  (EISDIR)',
    'DATABASE_CA_FILE: cannot read /nowhere (ENOENT)',
    'AMQP_CA_FILE: /nonsense.pem holds no certificate in PEM form',
    'AMQP_CERT_FILE: belongs together with AMQP_KEY_FILE: one of them is missing',
    expect.stringMatching(/^IAM_ENDPOINT: /),
  ])
})

test.each<[string, keyof typeof files, keyof typeof files, RegExp]>([
  ['a key of another certificate', 'cert', 'otherKey', /the key in .* is not that of the certificate in/],
  ['a key with a passphrase', 'cert', 'lockedKey', /needs a passphrase/],
  ['a key that is none', 'cert', 'nonsense', /nonsense.pem holds no private key in PEM form/],
  ['a certificate that is none', 'key', 'key', /holds no certificate in PEM form/],
  ['a certificate that is torn', 'torn', 'key', /holds something else where certificate 1 should be/],
])('%s is a fault', (_case, cert, key, words) => {
  expect(faultsOf({ AMQP_CERT_FILE: files[cert], AMQP_KEY_FILE: files[key] })).toEqual([
    expect.stringMatching(words),
  ])
})

describe('the URL of the broker', () => {
  test('names files as RabbitMQ has it, and the host whose certificate is expected', () => {
    const { cert, key } = files
    const query = `?certfile=${cert}&keyfile=${key}&server_name_indication=mq.example&verify=verify_peer`
    const { amqpUrl } = loadConfig({ ...REQUIRED, AMQP_URL: `${REQUIRED.AMQP_URL}${query}` })
    const options = tlsOptionsOf(parseBrokerUrl(amqpUrl, { heartbeatSeconds: 10 }))
    expect(options).toEqual({ ...own, servername: 'mq.example' })
  })

  test.each([
    ['amqp://broker', true, /amqp: is not encrypted/],
    ['amqps://broker?cacertfile=/x', true, /cacertfile names a file as well/],
    ['amqps://broker?verify=verify_none', false, /the certificate of the broker is always verified/],
    ['amqps://broker?certfile=/x', false, /certfile and keyfile belong together/],
    ['amqps://broker?cacertfile=/nowhere', false, /cannot read \/nowhere/],
  ])('%s is refused where it contradicts itself or the settings', (url, withFile, words) => {
    const settings = withFile ? { AMQP_CA_FILE: files.ca } : {}
    expect(faultsOf({ AMQP_URL: url, ...settings })).toEqual([expect.stringMatching(words)])
  })
})

describe('the URL of the database', () => {
  const URL_PLAIN = 'postgresql://user:dbsecret@db/provisioner'
  const sslOf = (query: string) => parseDatabaseUrl(`${URL_PLAIN}?${query}`).ssl

  test('without a word of TLS is left as it is', () => {
    const url = `${URL_PLAIN}?application_name=a%20b`
    expect(parseDatabaseUrl(url)).toEqual({ connectionString: url })
  })

  test.each([
    ['sslmode=disable', false],
    ['ssl=false', false],
    ['sslmode=require', {}],
    ['sslmode=verify-full', {}],
    ['ssl=true', {}],
    ['sslnegotiation=direct', {}],
    ['sslmode=require&sslrootcert=system', {}],
    ['sslmode=no-verify', { rejectUnauthorized: false }],
  ])('%s', (query, ssl) => {
    expect(sslOf(query)).toEqual(ssl)
  })

  test('verifies by an authority of its own, in every mode, and the name unless told otherwise', () => {
    const rootCert = `sslrootcert=${files.ca}`
    for (const mode of ['', '&sslmode=require', '&sslmode=verify-full'])
      expect(sslOf(`${rootCert}${mode}`)).toEqual({ ca: authority })
    expect(sslOf(`${rootCert}&sslmode=verify-ca`)).toEqual({
      ca: authority,
      checkServerIdentity: expect.any(Function),
    })
  })

  test('names a certificate of the service', () => {
    expect(sslOf(`sslmode=verify-full&sslcert=${files.cert}&sslkey=${files.key}`)).toEqual(own)
  })

  test('keeps its other parameters, and how TLS begins', () => {
    const url = `${URL_PLAIN}?application_name=a%20b&sslmode=require&sslnegotiation=direct`
    expect(parseDatabaseUrl(url)).toEqual({
      connectionString: `${URL_PLAIN}?application_name=a+b`,
      ssl: {},
      sslnegotiation: 'direct',
    })
  })

  test.each([
    ['sslmode=prefer', {}, /sslmode=prefer leaves open whether anything is encrypted/],
    ['sslmode=allow', {}, /sslmode=allow leaves open/],
    ['sslmode=always', {}, /sslmode must be disable, require/],
    ['ssl=perhaps', {}, /sslmode must be disable, require/],
    ['sslmode=verify-ca', {}, /needs an authority of your own/],
    ['sslmode=require&uselibpqcompat=true', {}, /uselibpqcompat is not known here/],
    ['sslmode=require&sslcert=/x', {}, /sslcert and sslkey belong together/],
    ['sslmode=require&sslrootcert=/nowhere', {}, /cannot read \/nowhere/],
    ['sslmode=disable', { own: true }, /sslmode=disable, and yet files for TLS/],
    ['sslrootcert=/x', { own: true }, /^DATABASE_CA_FILE: sslrootcert names an authority as well/],
  ])(
    '%s %j is refused, without the rest of it',
    (query, { own: withFile = false }: { own?: boolean }, words) => {
      const faults = faultsOf({
        DATABASE_URL: `${URL_PLAIN}?${query}`,
        ...(withFile ? { DATABASE_CA_FILE: files.ca } : {}),
      })
      expect(faults).toEqual([expect.stringMatching(words)])
      expect(faults.join()).not.toContain('dbsecret')
    },
  )
})
