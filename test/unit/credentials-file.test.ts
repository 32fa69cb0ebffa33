import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { credentialIdOf, credentialsOf, regionOf } from '../../src/clouddc/auth/credentials.ts'
import { CredentialsError, parseCredentials } from '../../src/clouddc/auth/credentials-file.ts'
import { cloudDcEndpoint, iamEndpoint } from '../../src/clouddc/regions.ts'

const NOTHING = { environment: null, insecure: false }
const KEYS = { kind: 'aksk', access_key: 'AK', secret_key: 'SK' }
const ENVIRONMENT = { kind: 'token', token: { value: 't' } } as const

const parse = (file: unknown, options: Parameters<typeof parseCredentials>[1] = NOTHING) =>
  parseCredentials(JSON.stringify(file), options)

function faultsOf(file: unknown, options = NOTHING): readonly string[] {
  try {
    parse(file, options)
  } catch (error) {
    if (error instanceof CredentialsError) return error.faults
    throw error
  }
  return []
}

describe('a credentials file', () => {
  const credentials = parse({
    version: 3,
    credentials: { main: KEYS, lab: { kind: 'token_file', path: '/run/token' } },
    default: 'main',
    projects: { p1: { credential: 'lab', region: 'cn-east-3' }, p2: { region: 'cn-south-1' } },
    regions: { 'cn-south-1': { endpoint: 'https://cloud.example/base/' } },
  })

  test('gives each project its credential and its region', () => {
    expect(['p1', 'p2', 'p3'].map((project) => credentialIdOf(credentials, project))).toEqual([
      'lab',
      'main',
      'main',
    ])
    expect(['p1', 'p3'].map((project) => regionOf(credentials, project))).toEqual(['cn-east-3', null])
    expect(credentials.byId.get('lab')).toEqual({ kind: 'token', token: { file: '/run/token' } })
  })

  test('gives each region its addresses', () => {
    const home = { endpoint: 'https://home', region: 'cn-southwest-2', iamEndpoint: 'https://iam.home' }
    const { regions } = credentials
    const cloudDc = [null, 'cn-southwest-2', 'cn-east-3', 'cn-south-1', 'eu-west-101']
    expect(cloudDc.map((region) => cloudDcEndpoint(region, home, regions))).toEqual([
      'https://home',
      'https://home',
      'https://clouddc.cn-east-3.myhuaweicloud.com',
      'https://cloud.example/base',
      'https://clouddc.eu-west-101.myhuaweicloud.eu',
    ])
    expect([null, 'cn-south-1'].map((region) => iamEndpoint(region, home, regions))).toEqual([
      'https://iam.home',
      'https://iam.cn-south-1.myhuaweicloud.com',
    ])
    const nowhere = { ...home, region: null, iamEndpoint: null }
    expect(iamEndpoint(null, nowhere, regions)).toBe('https://iam.myhuaweicloud.com')
  })

  test('may refer to the credential of the environment', () => {
    const options = { environment: ENVIRONMENT, insecure: false }
    const both = parse(
      { version: 1, credentials: { a: KEYS }, projects: { p: { credential: 'a' } } },
      options,
    )
    expect(credentialIdOf(both, 'p')).toBe('a')
    expect(credentialIdOf(both, 'q')).toBe('default')
    expect(credentialIdOf(credentialsOf(ENVIRONMENT), 'q')).toBe('default')
  })
})

describe('faults of a credentials file', () => {
  test('say what is wrong, and what would be right', () => {
    const { secret_key, ...rest } = KEYS
    const misspelt = { ...rest, secret_kee: secret_key }
    const file = { version: '1', credentials: { a: misspelt }, projects: { p: { regio: 'x' } }, defualt: 'a' }
    expect(faultsOf(file)).toEqual([
      'version: must be of type number',
      'credentials.a.secret_key: is missing',
      'credentials.a: has a member that is not known; there are kind, access_key, secret_key, security_token, domain_id',
      'projects.p: has a member that is not known; there are credential, region',
      'has a member that is not known; there are version, credentials, default, projects, regions',
    ])
  })

  test('name the place of what is not JSON, and do not quote it', () => {
    const text = '{"version": 1,\n  "credentials": {"a": "Canary"  "b"}}'
    expect(() => parseCredentials(text, NOTHING)).toThrow(/^is not JSON from line 2 column \d+ on$/)
  })

  test.each([
    ['no object', [], ['']],
    ['nothing in it', {}, ['version', 'credentials']],
    ['nobody at all', { version: 1, credentials: {} }, ['credentials']],
    ['no such kind', { version: 1, credentials: { a: { kind: 'magic' } } }, ['credentials.a.kind']],
    ['no member of the kind', { version: 1, credentials: { a: { ...KEYS, token: 'x' } } }, ['credentials.a']],
    ['a bad id', { version: 1, credentials: { 'a b': KEYS } }, ['credentials.a b']],
    [
      'a metadata service elsewhere',
      { version: 1, credentials: { a: { kind: 'metadata', endpoint: 'https://cloud' } } },
      ['credentials.a.endpoint'],
    ],
    [
      'an agency of nobody, or of what cannot act',
      {
        version: 1,
        credentials: {
          a: { kind: 'agency', of: 'x', domain: 'd', agency: 'g' },
          b: { kind: 'agency', of: 'a', domain: 'd', agency: 'g' },
          c: { kind: 'agency', of: 'default', domain: 'd', agency: 'g' },
        },
      },
      ['credentials.a.of', 'credentials.b.of', 'credentials.c.of'],
    ],
    [
      'nobody of that name',
      { version: 1, credentials: { a: KEYS }, default: 'x', projects: { p: { credential: 'y' } } },
      ['default', 'projects.p.credential'],
    ],
    [
      'an address that everybody can read',
      { version: 1, credentials: { a: KEYS }, regions: { 'cn-east-3': { endpoint: 'http://cloud' } } },
      ['regions.cn-east-3.endpoint'],
    ],
  ])('%s', (_, file, places) => {
    const found = faultsOf(file).map((fault) => (fault.includes(':') ? fault.split(':')[0] : ''))
    expect(found).toEqual(places)
  })

  test('an id that the environment has already', () => {
    const file = { version: 1, credentials: { default: KEYS } }
    const options = { environment: ENVIRONMENT, insecure: false }
    expect(() => parse(file, options)).toThrow('the environment has a credential of this id')
  })

  test('never hold a value, whatever is wrong', () => {
    const CANARY = 'Canary-5521'
    const places = ['access_key', 'secret_key', 'security_token', 'kind', 'other', CANARY]
    const values = fc.constantFrom(CANARY, `${CANARY} `, { [CANARY]: CANARY }, [CANARY])
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...places), values), fc.nat(20), (members, cut) => {
        const text = JSON.stringify({ version: 1, credentials: { a: { ...KEYS, ...members } } })
        for (const broken of [text, text.slice(0, -cut)]) {
          try {
            parseCredentials(broken, NOTHING)
          } catch (error) {
            expect(String(error)).not.toContain(CANARY)
          }
        }
      }),
    )
  })
})
