import { pino } from 'pino'
import { beforeEach, expect, test } from 'vitest'
import { createCallLimits } from '../../src/budget/call-limits.ts'
import { createCredentialSync } from '../../src/budget/credential-sync.ts'
import {
  createPayingCredentials,
  OtherCredentialError,
  RefusedCredentialError,
} from '../../src/budget/paying-credentials.ts'
import type { Credential, Credentials } from '../../src/clouddc/auth/credentials.ts'
import { startAge } from '../../src/runtime/age.ts'
import { newUuid } from '../../src/runtime/uuid.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { eventually } from '../support/eventually.ts'
import { clearTables, useTestDatabase } from '../support/store-database.ts'
import { placeRequests } from './statement-world.ts'

const database = await useTestDatabase()
beforeEach(() => clearTables(database))

const TOKEN: Credential = { kind: 'token', token: { value: 't' } }
const credentials = (
  ids: readonly string[],
  projects: Readonly<Record<string, string>> = {},
): Credentials => ({
  byId: new Map(ids.map((id) => [id, TOKEN])),
  defaultId: ids[0] ?? null,
  projects: new Map(Object.entries(projects).map(([id, credential]) => [id, { credential, region: null }])),
  regions: new Map(),
})

function createSync(
  first: Credentials,
  limits: Readonly<Record<string, { perSecond: number; burst: number }>>,
) {
  const world = { credentials: first, now: 0, warnings: [] as string[], newSecrets: [] as string[] }
  const logger = pino({ level: 'warn' }, { write: (line) => void world.warnings.push(line) })
  const sync = createCredentialSync({
    database,
    book: { current: async () => world.credentials, known: () => world.credentials },
    newSecrets: async () => world.newSecrets.splice(0),
    limits: createCallLimits({
      standard: { perSecond: 5, burst: 10 },
      overrides: new Map(),
      credentials: new Map(Object.entries(limits)),
    }),
    logger,
    now: () => world.now,
  })
  return { world, sync }
}

const labels = async () => {
  const rows = await database.prisma.rateBucket.findMany({ orderBy: { projectId: 'asc' } })
  return Object.fromEntries(rows.map(({ projectId, credentialId }) => [projectId, credentialId]))
}
const buckets = async () => {
  const rows = await database.prisma.credentialBucket.findMany({ orderBy: { credentialId: 'asc' } })
  return Object.fromEntries(rows.map((row) => [row.credentialId, row]))
}

test('each credential has its row and its limit, each project the credential that pays, as the file changes', async () => {
  for (const projectId of ['a', 'b', 'c']) await placeRequests(database, { projectId })
  const { world, sync } = createSync(credentials(['main', 'lab'], { b: 'lab' }), {
    main: { perSecond: 10, burst: 20 },
  })
  await sync()
  expect(await labels()).toEqual({ a: 'main', b: 'lab', c: 'main' })
  expect(await buckets()).toMatchObject({
    main: { refillPerSecond: 10, capacity: 19, tokens: 1, blockedReason: 'unproven' },
    lab: { capacity: 1e9, blockedReason: 'unproven' },
  })

  world.credentials = credentials(['lab', 'main'], { c: 'main' })
  await sync()
  expect(await labels()).toEqual({ a: 'lab', b: 'lab', c: 'main' })
})

test('what another replica has written wrongly is put right after a while, and what is known is left alone', async () => {
  await placeRequests(database, { projectId: 'a' })
  const { world, sync } = createSync(credentials(['main']), {})
  await sync()
  await database.query(`UPDATE rate_bucket SET credential_id = 'other'`)
  await database.query(
    `UPDATE credential_bucket SET blocked_until = NULL, blocked_reason = NULL, due_at = NULL`,
  )
  await sync()
  expect(await labels()).toEqual({ a: 'other' })
  world.now += 10_000
  await sync()
  expect(await labels()).toEqual({ a: 'main' })
  expect(await buckets()).toMatchObject({ main: { blockedReason: null } })
})

test('a limit that is configured no more ends, a new one counts from now on', async () => {
  const limited = createSync(credentials(['main']), { main: { perSecond: 10, burst: 20 } })
  const free = createSync(credentials(['main']), {})
  await free.sync()
  await limited.sync()
  expect(await buckets()).toMatchObject({ main: { refillPerSecond: 10, capacity: 19, tokens: 0 } })
  free.world.now += 10_000
  await free.sync()
  expect((await buckets()).main?.capacity).toBe(1e9)
})

test('a limit of a credential that is not there yet is told, and stands ready', async () => {
  const { world, sync } = createSync(credentials(['main']), { later: { perSecond: 1, burst: 2 } })
  await sync()
  world.now += 10_000
  await sync()
  expect(world.warnings).toHaveLength(1)
  expect(world.warnings[0]).toContain('"credentials":["later"]')
  expect(Object.keys(await buckets())).toEqual(['later', 'main'])
})

test('a call that another credential has paid for is not made, and its bucket is told', async () => {
  await placeRequests(database, { projectId: 'a' })
  const paying = createPayingCredentials({
    database,
    credentialOf: () => 'new',
    metrics: createMetrics(),
    logger: pino({ level: 'silent' }),
  })
  expect(() => paying.check({ projectId: 'a', credentialId: 'none', age: () => 0 })).toThrow(
    OtherCredentialError,
  )
  await paying.drained()
  expect(await labels()).toEqual({ a: 'new' })
  expect(() => paying.check({ projectId: 'a', credentialId: 'new', age: () => 0 })).not.toThrow()
})

test('what was paid before its credential was refused is not made, what is paid afterwards is', async () => {
  await placeRequests(database, { projectId: 'a' })
  const { sync } = createSync(credentials(['main']), {})
  await sync()
  const paying = createPayingCredentials({
    database,
    credentialOf: () => 'main',
    metrics: createMetrics(),
    logger: pino({ level: 'silent' }),
  })
  const call = { projectId: 'a', credentialId: 'main' }
  const paidBefore = startAge()
  const payment = { credentialId: 'main', credentialProbing: null, payment: newUuid() }
  paying.tell(payment, { kind: 'refused', fault: 'unknown_key' })
  // Until the bucket knows, whatever was paid.
  expect(() => paying.check({ ...call, age: () => 0 })).toThrow(RefusedCredentialError)
  await paying.drained()
  expect((await buckets()).main?.blockedReason).toBe('unauthorized')
  expect(() => paying.check({ ...call, age: paidBefore })).toThrow(RefusedCredentialError)
  // An age is told too high by a millisecond at most.
  await eventually(() => {
    const paidAfter = startAge()
    expect(() => paying.check({ ...call, age: paidAfter })).not.toThrow()
  })
})

test('a refused credential that shows something else is tried, with its projects, once all have looked at its files', async () => {
  for (const projectId of ['a', 'b']) await placeRequests(database, { projectId })
  const { world, sync } = createSync(credentials(['main', 'lab'], { b: 'lab' }), {})
  await sync()
  for (const table of ['rate_bucket', 'credential_bucket'])
    await database.query(
      `UPDATE ${table} SET blocked_until = now() + interval '1 hour', due_at = now() + interval '1 hour',
         blocked_reason = 'unauthorized', troubles = 7`,
    )
  world.now += 1000
  await sync()
  expect(await buckets()).toMatchObject({ main: { troubles: 7 }, lab: { troubles: 7 } })

  world.newSecrets.push('lab')
  world.now += 1000
  await sync()
  // Whoever makes calls may have looked just before.
  expect((await buckets()).lab).toMatchObject({ troubles: 7, blockedReason: 'unauthorized' })
  world.now += 1000
  await sync()
  expect(await buckets()).toMatchObject({
    main: { troubles: 7, blockedReason: 'unauthorized' },
    lab: { troubles: 0, blockedReason: 'unproven', dueAt: null },
  })
  const due = await database.query<{ id: string; due: boolean }>(
    'SELECT project_id AS id, due_at <= now() AS due FROM rate_bucket ORDER BY 1',
  )
  expect(due).toEqual([
    { id: 'a', due: false },
    { id: 'b', due: true },
  ])
})
