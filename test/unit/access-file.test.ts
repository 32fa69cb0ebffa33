import { hash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { AccessFileError, parseAccessFile } from '../../src/access/access-file.ts'

const SHA256 = hash('sha256', 'a key', 'hex')
const KEY = { id: 'dashboard', sha256: SHA256, roles: ['read'], projects: ['p-1'] }
const OTHER = { ...KEY, id: 'other', sha256: '0'.repeat(64) }
const ISSUER = {
  issuer: 'https://idp.example',
  audience: 'provisioner',
  jwks_url: 'https://idp.example/keys',
}

function faultsOf(content: unknown): readonly string[] {
  try {
    parseAccessFile(typeof content === 'string' ? content : JSON.stringify(content))
  } catch (error) {
    if (error instanceof AccessFileError) return error.faults
    throw error
  }
  return []
}

describe('an access file', () => {
  test('holds keys and issuers', () => {
    const rules = parseAccessFile(
      JSON.stringify({
        keys: [
          { ...KEY, expires_at: '2027-01-01T00:00:00+01:00' },
          {
            ...KEY,
            id: 'all',
            sha256: SHA256.toUpperCase().replace(/^./, '0'),
            projects: '*',
            expires_at: null,
          },
        ],
        issuers: [ISSUER],
      }),
    )
    expect(rules.keys[0]).toEqual({
      id: 'dashboard',
      sha256: Buffer.from(SHA256, 'hex'),
      roles: new Set(['read']),
      projects: new Set(['p-1']),
      expiresAt: Date.UTC(2026, 11, 31, 23),
    })
    expect(rules.keys[1]).toMatchObject({ projects: '*', expiresAt: null })
    expect(rules.issuers).toEqual([
      {
        issuer: 'https://idp.example',
        audience: 'provisioner',
        keys: { url: 'https://idp.example/keys' },
        rolesClaim: 'roles',
        projectsClaim: 'projects',
      },
    ])
  })

  test('may let nobody in', () => {
    expect(parseAccessFile('{}')).toEqual({ keys: [], issuers: [] })
  })

  test.each<[string, unknown, RegExp]>([
    ['no JSON', '{"keys":[', /^is not JSON$/],
    ['no object', '[]', /object/],
    ['an unknown member', { kesy: [] }, /kesy/],
    ['an unknown member of a key', { keys: [{ ...KEY, project: 'p' }] }, /^keys\.0: .*project/],
    ['a digest that is none', { keys: [{ ...KEY, sha256: 'a key' }] }, /^keys\.0\.sha256: must be/],
    ['an empty key', { keys: [{ ...KEY, sha256: hash('sha256', '', 'hex') }] }, /empty key/],
    ['an unknown role', { keys: [{ ...KEY, roles: ['admin'] }] }, /^keys\.0\.roles\.0: must be of read/],
    ['no roles', { keys: [{ ...KEY, roles: undefined }] }, /^keys\.0\.roles/],
    ['no projects', { keys: [{ ...KEY, projects: undefined }] }, /^keys\.0\.projects: must be/],
    ['a star in a list', { keys: [{ ...KEY, projects: ['*'] }] }, /^keys\.0\.projects/],
    [
      'a time without a zone',
      { keys: [{ ...KEY, expires_at: '2027-01-01T00:00:00' }] },
      /^keys\.0\.expires_at/,
    ],
    ['an id used twice', { keys: [KEY, { ...KEY, sha256: '0'.repeat(64) }] }, /^keys\.1: its id/],
    ['a key used twice', { keys: [KEY, { ...KEY, id: 'b' }] }, /^keys\.1: is the same key/],
    [
      'an id of words, beside a good key',
      { keys: [KEY, { ...OTHER, id: 'my key' }] },
      /^keys\.1\.id: must be/,
    ],
    ['a bad digest, beside a good key', { keys: [KEY, { ...OTHER, sha256: 'b' }] }, /^keys\.1\.sha256: must/],
    ['a day, beside a good key', { keys: [{ ...OTHER, expires_at: 'today' }, KEY] }, /^keys\.0\.expires_at/],
    [
      'what is no project',
      { keys: [{ ...KEY, projects: ['p 1'] }] },
      /^keys\.0\.projects\.0: must be 1-64 of/,
    ],
    ['an issuer without keys', { issuers: [{ ...ISSUER, jwks_url: undefined }] }, /either jwks_file or/],
    ['an issuer with keys twice', { issuers: [{ ...ISSUER, jwks_file: 'f' }] }, /either jwks_file or/],
    ['keys over http', { issuers: [{ ...ISSUER, jwks_url: 'http://idp.example/keys' }] }, /https/],
    ['no audience', { issuers: [{ ...ISSUER, audience: undefined }] }, /^issuers\.0\.audience/],
  ])('%s is a fault', (_what, content, fault) => {
    const faults = faultsOf(content)
    expect(faults).toHaveLength(1)
    expect(faults[0]).toMatch(fault)
  })

  test('names all faults, and repeats nothing', () => {
    const faults = faultsOf({
      keys: [{ id: 'Canary 1', sha256: 'Canary2', roles: ['Canary3'], projects: 'Canary4' }],
    })
    expect(faults).toHaveLength(4)
    expect(faults.join()).not.toContain('Canary')
  })
})
