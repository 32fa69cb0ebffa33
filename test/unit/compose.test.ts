import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { parseAccessFile } from '../../src/access/access-file.ts'
import { findKey } from '../../src/access/keys.ts'
import { ACCESS_ROLES } from '../../src/access/who-may.ts'
import { loadConfig } from '../../src/config.ts'

/** What can be said of docker-compose.yml without Docker: its scripts run, and its parts fit together. */

interface Part {
  command: string[]
  environment: Record<string, string>
}

const { services, configs } = parse(readFileSync('docker-compose.yml', 'utf8')) as {
  services: Record<'secret-keys' | 'migrate' | 'service' | 'sign-in', Part>
  configs: Record<string, { content: string }>
}

/** The volume of the keys, wherever the parts see it. */
let volume: string
const here = (text: string) => text.replaceAll('/run/keys', volume).replaceAll(/(?<=')\/keys/g, volume)
const run = ({ command }: Part) => {
  const [, ...args] = command
  return execFileSync(process.execPath, args.map(here), { encoding: 'utf8' })
}
const read = (name: string) => readFileSync(join(volume, name), 'utf8')

beforeAll(() => {
  volume = mkdtempSync(join(tmpdir(), 'compose-'))
  run(services['secret-keys'])
})
afterAll(() => rmSync(volume, { recursive: true, force: true }))

describe('docker-compose.yml', () => {
  test('makes its keys once', () => {
    const first = ['secret-keys', 'api-key', 'access.json'].map(read)
    run(services['secret-keys'])
    expect(['secret-keys', 'api-key', 'access.json'].map(read)).toEqual(first)
  })

  test('starts the service with access switched on, and settings that it takes', () => {
    const given = Object.entries(services.service.environment).map(([name, value]) => [name, here(value)])
    const config = loadConfig({ HOST: '0.0.0.0', ...Object.fromEntries(given) })
    expect(config.accessRules).not.toBeNull()
  })

  test('prints a key that may do everything', () => {
    const key = read('api-key')
    expect(run(services['sign-in'])).toContain(`Authorization: Bearer ${key}`)
    const found = findKey(parseAccessFile(read('access.json')).keys, key, Date.now())
    expect(found).toMatchObject({ roles: new Set(ACCESS_ROLES), projects: '*' })
  })

  test('lets a role own the tables that is not that of the service', () => {
    const owner = new URL(services.migrate.environment.MIGRATE_DATABASE_URL ?? '')
    const role = new URL(services.service.environment.DATABASE_URL ?? '')
    expect(role.username).not.toBe(owner.username)
    expect([role.host, role.pathname]).toEqual([owner.host, owner.pathname])
    expect(services.migrate.command.slice(-2)).toEqual(['--grant', role.username])
    expect(configs['service-role']?.content).toBe(
      `CREATE ROLE ${role.username} LOGIN PASSWORD '${role.password}';\n`,
    )
  })
})
