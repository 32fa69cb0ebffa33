import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { ConfigError, type Environment, loadConfig } from '../../src/config.ts'
import { accessFile } from '../support/access.ts'

const REQUIRED = {
  DATABASE_URL: 'postgresql://localhost/provisioner',
  AMQP_URL: 'amqp://localhost',
  CLOUDDC_ENDPOINT: 'http://localhost',
  SECRET_KEYS: `k1:${Buffer.alloc(32, 7).toString('base64')}`,
}

const folder = mkdtempSync(join(tmpdir(), 'access-settings-'))
afterAll(() => rmSync(folder, { recursive: true }))

function file(name: string, content: string): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

function faultsOf(env: Environment, options?: { serves: boolean }): readonly string[] {
  try {
    loadConfig({ ...REQUIRED, ...env }, options)
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
  return []
}

describe('without an access file', () => {
  test.each(['127.0.0.1', '127.8.9.10', '::1', 'localhost', 'api.localhost'])(
    'everybody may do everything on %s',
    (host) => {
      expect(loadConfig({ ...REQUIRED, HOST: host }).accessRules).toBeNull()
    },
  )

  test.each(['0.0.0.0', '::', '10.0.0.1', '127.0.0.1.example.com', 'localhost.example.com', 'api'])(
    'nothing starts on %s',
    (host) => {
      expect(faultsOf({ HOST: host })).toEqual([expect.stringMatching(/^API_ACCESS_FILE: is required/)])
    },
  )

  test('a process starts anywhere where API_ACCESS says open, or where it serves no HTTP', () => {
    expect(faultsOf({ HOST: '0.0.0.0', API_ACCESS: 'open' })).toEqual([])
    expect(faultsOf({ HOST: '0.0.0.0' }, { serves: false })).toEqual([])
    expect(faultsOf({ HOST: '0.0.0.0', API_ACCESS: 'yes' })).not.toEqual([])
  })
})

describe('the access file', () => {
  test('is read at the start', () => {
    const path = file('access.json', accessFile({ keys: [{ id: 'dashboard', key: 'k' }] }))
    const { accessRules } = loadConfig({ ...REQUIRED, HOST: '0.0.0.0', API_ACCESS_FILE: path })
    expect(accessRules?.keys.map(({ id }) => id)).toEqual(['dashboard'])
  })

  test('must not stand beside API_ACCESS=open', () => {
    const path = file('both.json', accessFile({}))
    expect(faultsOf({ API_ACCESS_FILE: path, API_ACCESS: 'open' })).toEqual([
      expect.stringMatching(/^API_ACCESS: /),
    ])
  })

  test('that is missing or has faults keeps the service from starting, on whatever HOST', () => {
    expect(faultsOf({ API_ACCESS_FILE: join(folder, 'nowhere') })).toEqual([
      expect.stringMatching(/^API_ACCESS_FILE: cannot read .*ENOENT/),
    ])
    const path = file('bad.json', '{"keys":[{"id":"a"}],"kyes":[]}')
    const faults = faultsOf({ API_ACCESS_FILE: path })
    expect(faults.length).toBeGreaterThan(2)
    for (const fault of faults) expect(fault).toMatch(/^API_ACCESS_FILE: /)
  })

  test('must name a file of keys that is there', () => {
    const issuer = { issuer: 'https://idp.example', audience: 'a', jwks_file: join(folder, 'no-keys') }
    const path = file('issuer.json', accessFile({ issuers: [issuer] }))
    expect(faultsOf({ API_ACCESS_FILE: path })).toEqual([
      expect.stringMatching(/^API_ACCESS_FILE: issuers\.0\.jwks_file: .*ENOENT/),
    ])
  })
})

describe('settings of HTTP', () => {
  test('are read as lists', () => {
    const { apiHosts, trustedProxies } = loadConfig({
      ...REQUIRED,
      API_HOSTS: 'api.example.com, api',
      TRUSTED_PROXIES: '10.0.0.0/8,::1,192.168.1.1',
    })
    expect(apiHosts).toEqual(['api.example.com', 'api'])
    expect(trustedProxies).toEqual(['10.0.0.0/8', '::1', '192.168.1.1'])
  })

  test.each([
    ['API_HOSTS', 'api.example.com:8080'],
    ['API_HOSTS', 'https://api.example.com'],
    ['TRUSTED_PROXIES', 'proxy.example.com'],
    ['TRUSTED_PROXIES', '10.0.0.0/33'],
    ['TRUSTED_PROXIES', '10.0.0.0/8/8'],
    ['METRICS_PORT', '8080'],
    ['METRICS_PORT', '0'],
    ['HTTP_CERT_FILE', 'cert.pem'],
    ['HTTP_KEY_FILE', 'key.pem'],
    ['API_RATE_LIMIT_PER_SECOND', '0'],
  ])('%s=%s is a fault', (name, value) => {
    expect(faultsOf({ [name]: value })).not.toEqual([])
  })

  test('name a certificate and a key that fit', () => {
    const text = file('no.pem', 'no certificate')
    expect(faultsOf({ HTTP_CERT_FILE: text, HTTP_KEY_FILE: text })).toEqual([
      expect.stringMatching(/^HTTP_CERT_FILE, HTTP_KEY_FILE: /),
    ])
  })
})
