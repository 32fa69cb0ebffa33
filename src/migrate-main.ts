import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { ConfigError } from './config.ts'
import { migrate } from './database/migrate.ts'
import { parseDatabaseUrl, withAuthority } from './database/server-address.ts'
import { coerceError } from './runtime/errors.ts'
import { EXIT_CONFIG } from './runtime/exit-codes.ts'

const WAIT_FOR_DATABASE_MS = 60_000
const RETRY_MS = 1_000

/** Codes of a database that is not up yet, from the network and from Postgres (starting, recovering). */
const NOT_UP_YET = /^(ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|EPIPE|57P03)$/

const log = (line: string) => console.log(`migrate: ${line}`)

try {
  const { applied } = await migrateOnceItIsUp(databaseUrl(process.env))
  log(
    applied.length === 0
      ? 'the database is up to date'
      : `${applied.length} applied, the database is up to date`,
  )
} catch (error) {
  console.error(`migrate: ${coerceError(error).message}`)
  process.exitCode = error instanceof ConfigError ? EXIT_CONFIG : 1
}

/** DATABASE_URL, or the content of the file that DATABASE_URL_FILE names, with DATABASE_CA_FILE. */
function databaseUrl(environment: NodeJS.ProcessEnv): string {
  const { DATABASE_URL: url, DATABASE_URL_FILE: path } = environment
  if (url && path)
    throw new ConfigError(['DATABASE_URL: given twice, as DATABASE_URL and as DATABASE_URL_FILE'])
  if (!url && !path) throw new ConfigError(['DATABASE_URL: is required'])
  const given = url || readUrlFile(path as string)
  if (!/^postgres(ql)?:$/.test(URL.parse(given)?.protocol ?? '')) {
    throw new ConfigError(['DATABASE_URL: must be a URL with postgres:// or postgresql://'])
  }
  return withTls(given, environment.DATABASE_CA_FILE || null)
}

function withTls(given: string, caFile: string | null): string {
  try {
    const url = caFile === null ? given : withAuthority(given, caFile)
    parseDatabaseUrl(url)
    return url
  } catch (error) {
    throw new ConfigError([
      `${caFile === null ? 'DATABASE_URL' : 'DATABASE_CA_FILE'}: ${coerceError(error).message}`,
    ])
  }
}

function readUrlFile(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (error) {
    throw new ConfigError([`DATABASE_URL_FILE: cannot read ${path} (${errorCode(error) ?? 'unknown error'})`])
  }
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
