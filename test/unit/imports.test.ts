import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path/posix'
import { expect, test } from 'vitest'

/**
 * Imports point one way. What stands on its own (request, contracts, runtime) knows nothing of the rest but the type of
 * a statement's runner; the links to the world (database, clouddc, amqp) know no step; the budget knows no attempt; a
 * step of the flow knows both, and no other step; only the composition root, app.ts with its builders in app/, knows
 * them all.
 */
const LOW = ['request', 'contracts', 'runtime', 'database']
const STEP = [...LOW, 'budget', 'attempt', 'preflight', 'forecast', 'secrets', 'replica', 'telemetry']
const ENTRY_POINTS = ['cli-main.ts', 'doctor-main.ts', 'letter-main.ts', 'main.ts', 'migrate-main.ts']

/** They wire the rest, and may import all of it. */
const ROOT = ['app.ts', 'app']

/** What each folder or file of src/ may import from the others. The steps stand in the order of the flow. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  request: ['request', 'contracts', 'runtime', 'database'],
  contracts: ['contracts', 'request', 'runtime'],
  runtime: ['runtime'],

  amqp: ['amqp', 'runtime'],
  clouddc: ['clouddc', 'runtime'],
  database: ['database', 'runtime'],
  access: ['access', 'secrets', 'runtime'],
  secrets: ['secrets', 'contracts', 'runtime'],
  telemetry: ['telemetry', 'request', 'runtime', 'database'],
  replica: ['replica', 'runtime', 'database', 'telemetry'],

  budget: ['budget', ...LOW, 'clouddc', 'telemetry'],
  attempt: ['attempt', ...LOW, 'budget', 'clouddc', 'telemetry'],
  preflight: ['preflight', ...LOW, 'budget', 'clouddc', 'telemetry'],

  forecast: ['forecast', ...LOW, 'budget', 'replica', 'telemetry'],

  intake: ['intake', ...STEP, 'amqp'],
  dispatch: ['dispatch', ...STEP, 'clouddc'],
  reconcile: ['reconcile', ...STEP, 'clouddc'],
  readiness: ['readiness', ...STEP, 'clouddc'],
  outbox: ['outbox', ...STEP, 'amqp'],
  retention: ['retention', ...STEP],
  watch: ['watch', ...STEP, 'amqp'],
  operations: ['operations', ...STEP, 'amqp'],
  api: ['api', ...STEP, 'access', 'operations'],

  // The command line asks the service over HTTP and AMQP; of the rest it takes names and types.
  cli: [
    'cli',
    'access',
    'amqp',
    'contracts',
    'doctor',
    'environment.ts',
    'operations',
    'request',
    'runtime',
    'secrets',
  ],
  doctor: ['doctor', ...LOW, 'amqp', 'budget', 'clouddc', 'config.ts', 'environment.ts', 'telemetry'],

  'setting-kinds.ts': ['access', 'secrets'],
  'access-settings.ts': ['access', 'runtime'],
  'credential-settings.ts': ['clouddc'],
  'tls-settings.ts': ['amqp', 'database', 'runtime'],
  'contradictions.ts': [],
  'environment.ts': [],
  'config.ts': [
    'contradictions.ts',
    'environment.ts',
    'setting-kinds.ts',
    'access-settings.ts',
    'credential-settings.ts',
    'tls-settings.ts',
    'access',
    'clouddc',
    'runtime',
  ],
  'logger.ts': ['telemetry'],
}

/** Packages that only some folders may import. */
const PACKAGES: readonly { named: RegExp; only: readonly string[] }[] = [
  { named: /^amqplib$/, only: ['amqp'] },
  { named: /^undici$/, only: ['clouddc'] },
  { named: /^jose$/, only: ['access', 'secrets'] },
  { named: /^(fastify|@fastify\/)/, only: ['api'] },
  { named: /^(pg$|@prisma\/)/, only: ['database'] },
  // The status watcher takes the type of its gauge.
  { named: /^prom-client$/, only: ['telemetry', 'api'] },
]

interface SourceFile {
  /** Path under its root. */
  path: string
  text: string
  imports: string[]
}

function readSources(root: string): SourceFile[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !path.startsWith('database/generated/'))
    .sort()
    .map((path) => {
      const text = readFileSync(join(root, path), 'utf8')
      return { path, text, imports: importsOf(text) }
    })
}

const STATEMENT = /^(?:import|export)\b(?:[^'"`;=]*?\bfrom)?\s*'([^']+)'/gm
const DYNAMIC = /\bimport\(\s*'([^']+)'\s*\)/g

function importsOf(text: string): string[] {
  return [...text.matchAll(STATEMENT), ...text.matchAll(DYNAMIC)].map((match) => match[1] ?? '')
}

/** The imported file's path under the root of the importing one; undefined for a package. */
function ownTarget({ path }: SourceFile, imported: string): string | undefined {
  return imported.startsWith('.') ? join(dirname(path), imported) : undefined
}

/** A step's folder, or the file itself where it lies at the root. */
function partOf(path: string): string {
  return path.split('/')[0] ?? path
}

const sources = readSources('src')
const edges = sources.flatMap((file) =>
  file.imports.flatMap((imported) => {
    const to = ownTarget(file, imported)
    return to === undefined ? [] : [{ from: file.path, to }]
  }),
)

test('the imports of src/ are read', () => {
  expect(sources.length).toBeGreaterThan(50)
  expect(edges).toContainEqual({ from: 'main.ts', to: 'app.ts' })
  expect(edges).toContainEqual({ from: 'contracts/reply-members.ts', to: 'request/provision-request.ts' })
})

test('imports in src/ point one way', () => {
  const forbidden = edges.filter(({ from, to }) => {
    if (ROOT.includes(partOf(from)) || ENTRY_POINTS.includes(from)) return false
    const allowed = MAY_IMPORT[partOf(from)] ?? []
    return !allowed.includes(partOf(to))
  })
  expect(forbidden).toEqual([])
})

test('every part of src/ has its place in the order', () => {
  const parts = new Set(sources.map(({ path }) => partOf(path)))
  const known = [...Object.keys(MAY_IMPORT), ...ROOT, ...ENTRY_POINTS]
  expect([...parts].filter((part) => !known.includes(part))).toEqual([])
})

test('nothing imports the composition root but the process', () => {
  const importers = edges.filter(({ to }) => to === 'app.ts' || ENTRY_POINTS.includes(to))
  expect(importers).toEqual([{ from: 'main.ts', to: 'app.ts' }])
  const builders = edges.filter(({ to }) => partOf(to) === 'app').map(({ from }) => partOf(from))
  expect(builders.filter((part) => !ROOT.includes(part))).toEqual([])
})

test('no two files of src/ import each other, not even by a detour', () => {
  const targets = Map.groupBy(edges, ({ from }) => from)
  const cleared = new Set<string>()
  const cycleFrom = (path: string, trail: readonly string[]): readonly string[] | undefined => {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path]
    if (cleared.has(path)) return undefined
    for (const { to } of targets.get(path) ?? []) {
      const cycle = cycleFrom(to, [...trail, path])
      if (cycle !== undefined) return cycle
    }
    cleared.add(path)
    return undefined
  }
  expect(sources.flatMap(({ path }) => cycleFrom(path, []) ?? [])).toEqual([])
})

test('a package is imported by the folder that wraps it, and by no other', () => {
  const strays = sources.flatMap(({ path, imports }) =>
    imports
      .filter((imported) =>
        PACKAGES.some(({ named, only }) => named.test(imported) && !only.includes(partOf(path))),
      )
      .map((imported) => `${path} > ${imported}`),
  )
  expect(strays).toEqual([])
})

test('only the entry points see the environment of the process', () => {
  const readers = sources.filter(({ text }) => /\bprocess\.env\b/.test(text)).map(({ path }) => path)
  expect(readers).toEqual(ENTRY_POINTS)
})

test('only main.ts listens for signals, and only entry points end the process', () => {
  const signals = sources.filter(({ text }) => /\bprocess\.(on|once)\(/.test(text)).map(({ path }) => path)
  expect(signals).toEqual(['main.ts'])
  const enders = sources.filter(({ text }) => /\bprocess\.exit(Code)?\b/.test(text)).map(({ path }) => path)
  expect(enders.filter((path) => !ENTRY_POINTS.includes(path))).toEqual([])
})

test('the database has one door', () => {
  const raw = sources.filter(({ text }) => /\$(query|execute)Raw|\$transaction/.test(text))
  expect(raw.map(({ path }) => path)).toEqual(['database/database.ts'])
  // Migrating has a connection of its own, before there is anything to connect a pool to.
  const pg = sources.filter(({ imports }) => imports.includes('pg')).map(({ path }) => path)
  const migrating = ['database/grants.ts', 'database/migrate.ts', 'database/schema-engine.ts']
  expect(pg.filter((path) => !migrating.includes(path))).toEqual(['database/database.ts', 'database/pool.ts'])
})

/** What runs for every request, call, poll and event, and for every status asked for (decision 17). */
const HOT_STATEMENTS = [
  'api/read-page.sql.ts',
  'api/read-requests.sql.ts',
  'attempt/settle-attempts.sql.ts',
  'budget/apply-call-results.sql.ts',
  'budget/note-written.sql.ts',
  'budget/pay-for-reading.sql.ts',
  'budget/wake-projects.sql.ts',
  'dispatch/claim-requests.sql.ts',
  'outbox/read-facts.sql.ts',
  'outbox/read-segments.sql.ts',
  'readiness/claim-polls.sql.ts',
  'readiness/find-pending.sql.ts',
  'readiness/record-observations.sql.ts',
  'readiness/reschedule-polls.sql.ts',
]

/** They go the way of their caller, to whose transaction they belong. */
const STATEMENTS_OF_A_TRANSACTION = [
  'attempt/find-doubt.sql.ts',
  'attempt/find-owners.sql.ts',
  'attempt/record-looks.sql.ts',
  'budget/limit-override.sql.ts',
  'budget/pause.sql.ts',
  'operations/insert-run.sql.ts',
  'operations/stop-run.sql.ts',
  'operations/write-audit.sql.ts',
]

/** Why a connection fails is to be told in the driver's own words. */
const DIAGNOSIS = ['doctor/check-database.ts']

test('every statement goes through Prisma, but those of the hot loop', () => {
  const statements = sources.filter(({ path }) => !path.startsWith('database/'))
  const past = statements.filter(({ text }) => /(?<!throughPrisma)\.query[(<]/.test(text))
  expect(past.map(({ path }) => path)).toEqual(
    [...HOT_STATEMENTS, ...STATEMENTS_OF_A_TRANSACTION, ...DIAGNOSIS].toSorted(),
  )
})

test('the service knows neither simulator nor tools, and the simulator knows only itself', () => {
  expect([...importsFromOutside('src'), ...importsFromOutside('simulator')]).toEqual([])
})

test('the checker knows nothing of the service that it judges', () => {
  const known = importsFromOutside('checker').filter((imported) => imported.includes('/src/'))
  expect(known).toEqual([])
})

/** What the files of a folder, but its tests, import from beside it. */
function importsFromOutside(root: string): string[] {
  return readSources(root)
    .filter(({ path }) => !path.startsWith('test/'))
    .flatMap((file) =>
      file.imports
        .filter((imported) => ownTarget(file, imported)?.startsWith('..'))
        .map((imported) => `${root}/${file.path} > ${imported}`),
    )
}
