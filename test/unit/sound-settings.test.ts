import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readSoundSettings } from '../../src/doctor/sound-settings.ts'

const SOUND = {
  DATABASE_URL: 'postgresql://u:Canary@db/provisioner',
  AMQP_URL: 'amqp://u:Canary@mq',
  CLOUDDC_ENDPOINT: 'http://127.0.0.1:9',
  SECRET_KEYS: `k:${Buffer.alloc(32, 7).toString('base64')}`,
}

test('what is sound is read as a start reads it', () => {
  const { config, faults, isSound } = readSoundSettings(SOUND)
  expect(config?.databaseUrl).toBe(SOUND.DATABASE_URL)
  expect(faults).toEqual([])
  expect(isSound('DATABASE_')).toBe(true)
})

test.each<[string, Record<string, string | undefined>, RegExp[], string[]]>([
  ['a URL', { DATABASE_URL: 'x' }, [/^DATABASE_URL: /], ['DATABASE_']],
  ['a file of a URL', { AMQP_URL: undefined, AMQP_URL_FILE: '/nowhere' }, [/^AMQP_URL_FILE: /], ['AMQP_']],
  [
    'one that a start tells of only once the others are gone',
    { PORT: 'x', POLL_MIN_MS: '70000' },
    [/^PORT: /, /^POLL_MIN_MS: /],
    ['PORT', 'POLL_'],
  ],
  [
    'a credential that is missing',
    { CLOUDDC_ENDPOINT: 'https://cloud' },
    [/^CLOUDDC_CREDENTIALS_FILE: there is no credential/],
    ['CLOUDDC_'],
  ],
  ['access that is missing', { HOST: '0.0.0.0' }, [/^API_ACCESS_FILE: /], ['API_']],
  [
    'what only the SDK has a name for',
    { HUAWEICLOUD_SDK_IAM_ENDPOINT: 'iam' },
    [/^IAM_ENDPOINT: /],
    ['IAM_'],
  ],
  ['a key without its certificate', { AMQP_KEY_FILE: '/x' }, [/^AMQP_CERT_FILE: /], ['AMQP_']],
  ['days in the wrong order', { IDEMPOTENCY_DAYS: '1' }, [/^RETENTION_DAYS: /], []],
  ['half of the keys', { HUAWEICLOUD_SDK_AK: 'AK' }, [/^CLOUDDC_SECRET_KEY: /], ['CLOUDDC_']],
])('without %s the rest is read', (_, changes, faults, unsound) => {
  const found = readSoundSettings({ ...SOUND, ...changes })
  expect(found.faults.slice(0, faults.length)).toEqual(faults.map((words) => expect.stringMatching(words)))
  expect(found.config).not.toBeNull()
  for (const prefix of ['DATABASE_', 'AMQP_', 'CLOUDDC_', 'IAM_', 'API_', 'PORT', 'POLL_'])
    expect([prefix, found.isSound(prefix)]).toEqual([prefix, !unsound.includes(prefix)])
  expect(found.faults.join()).not.toContain('Canary')
})

test('all faults of one file are told', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sound-settings-'))
  const path = join(folder, 'credentials.json')
  writeFileSync(path, '{"version":1,"credentials":{"a":{"kind":"token"},"b":{"kind":"password","user":"u"}}}')
  const { faults } = readSoundSettings({ ...SOUND, CLOUDDC_CREDENTIALS_FILE: path })
  rmSync(folder, { recursive: true })
  expect(faults.map((fault) => fault.split(': ').slice(0, 2).join(' '))).toEqual([
    'CLOUDDC_CREDENTIALS_FILE credentials.a.token',
    'CLOUDDC_CREDENTIALS_FILE credentials.b.password',
    'CLOUDDC_CREDENTIALS_FILE credentials.b.domain',
  ])
})
