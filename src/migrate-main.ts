import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { ConfigError } from './config.ts'
import { type GrantKind, grant } from './database/grants.ts'
import { migrate } from './database/migrate.ts'
import { type Environment, present, valuesOf } from './environment.ts'
import { coerceError } from './runtime/errors.ts'
import { EXIT_CONFIG, EXIT_USAGE } from './runtime/exit-codes.ts'
import { databaseAddressWithTls } from './tls-settings.ts'

const WAIT_FOR_DATABASE_MS = 60_000
const RETRY_MS = 1_000

/** Codes of a database that is not up yet, from the network and from Postgres (starting, recovering). */
const NOT_UP_YET = /^(ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|EPIPE|57P03)$/

const log = (line: string) => console.log(`migrate: ${line}`)

const USAGE = `Brings the database up to date, as the role that owns its tables (MIGRATE_DATABASE_URL, else DATABASE_URL), and
gives roles what they need:

  npm run migrate [-- [--grant <role>] [--grant-api <role>]]

--grant: a role for the service, which reads and writes rows; --grant-api: one for ROLES=api alone, which reads and cancels.
`

const grants = readGrants(process.argv.slice(2))
if (grants === null) {
  console.error(USAGE)
  process.exit(EXIT_USAGE)
}

try {
  const url = databaseUrlOf(process.env)
  const { applied } = await migrateOnceItIsUp(url)
  log(
    applied.length === 0
      ? 'the database is up to date'
      : `${applied.length} applied, the database is up to date`,
  )
  for (const { role, kind } of grants) {
    await grant(url, role, kind)
    log(`${role} has the rights of ${kind === 'api' ? 'the API alone' : 'the service'}`)
  }
} catch (error) {
  console.error(`migrate: ${coerceError(error).message}`)
  process.exitCode = error instanceof ConfigError ? EXIT_CONFIG : 1
}

/** Null when the arguments are not valid. */
function readGrants(args: string[]): { role: string; kind: GrantKind }[] | null {
  try {
    const names = { type: 'string', multiple: true } as const
    const { values } = parseArgs({ args, options: { grant: names, 'grant-api': names } })
    const of = (kind: GrantKind, roles: readonly string[] = []) => roles.map((role) => ({ role, kind }))
    const wanted = [...of('service', values.grant), ...of('api', values['grant-api'])]
    return wanted.some(({ role }) => role === '') ? null : wanted
  } catch {
    return null
  }
}

/** MIGRATE_DATABASE_URL, or DATABASE_URL without it; each may come as the file that NAME_FILE names. */
function databaseUrlOf(env: Environment): string {
  const names = ['MIGRATE_DATABASE_URL', 'DATABASE_URL']
  const name = names.find((each) => present(env, each) ?? present(env, `${each}_FILE`))
  if (name === undefined) throw new ConfigError(['DATABASE_URL: is required'])
  const { values, faults } = valuesOf(env, [name], [name])
  if (faults.length > 0) throw new ConfigError(faults)
  const given = values[name] ?? ''
  if (!/^postgres(ql)?:$/.test(URL.parse(given)?.protocol ?? '')) {
    throw new ConfigError([`${name}: must be a URL with postgres:// or postgresql://`])
  }
  const databaseCaFile = present(env, 'DATABASE_CA_FILE') ?? null
  const address = databaseAddressWithTls({ databaseUrl: given, databaseCaFile }, name)
  if (address.faults.length > 0) throw new ConfigError(address.faults)
  return address.databaseUrl
}

/** Start order does not matter: it waits for a database that is not up yet. */
async function migrateOnceItIsUp(url: string): Promise<{ applied: string[] }> {
  const deadline = performance.now() + WAIT_FOR_DATABASE_MS
  for (let tries = 0; ; tries += 1) {
    try {
      return await migrate({ databaseUrl: url, log })
    } catch (error) {
      if (!NOT_UP_YET.test(errorCode(error) ?? '') || performance.now() > deadline) throw error
      if (tries === 0) log(`the database is not up yet (${errorCode(error)}): waiting up to 60 s`)
      await delay(RETRY_MS)
    }
  }
}

function errorCode(error: unknown): string | undefined {
  if (error instanceof AggregateError) return errorCode(error.errors[0])
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}
