import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { PrismaPg } from '@prisma/adapter-pg'
import {
  bindMigrationAwareSqlAdapterFactory,
  ColumnTypeEnum,
  DriverAdapterError,
} from '@prisma/driver-adapter-utils'
import type { SchemaEngine } from '@prisma/schema-engine-wasm'
import pg from 'pg'
import { parseDatabaseUrl } from './server-address.ts'

/** Postgres' one-byte type "char", which its catalogs use and the adapter does not know. */
const CHAR_TYPE = 18
const TEXT_TYPE = 25

/** The part that is used here of what Node has built in and its types leave to the browser's. */
declare const WebAssembly: {
  instantiate(code: Uint8Array, imports: object): Promise<{ instance: { exports: WasmExports } }>
}
type WasmExports = Readonly<Record<string, unknown>>

/** What the glue code exports beside its declared types: where the compiled module is put in. */
interface Glue {
  SchemaEngine: typeof SchemaEngine
  __wbg_set_wasm(exports: WasmExports): void
}

let engineClass: Promise<typeof SchemaEngine> | undefined

/**
 * Prisma's schema engine, the one behind `prisma migrate deploy`, as WebAssembly: it works where the CLI cannot
 * download its native engine. One engine belongs to one database; its connection is closed after `work`.
 *
 * @param options.schema the content of schema.prisma
 */
export async function withSchemaEngine<Result>(
  { databaseUrl, schema }: { databaseUrl: string; schema: string },
  work: (engine: SchemaEngine) => Promise<Result>,
): Promise<Result> {
  engineClass ??= loadEngineClass()
  const Engine = await engineClass
  // One connection that is never let go: the engine holds its advisory lock on it.
  const pool = new pg.Pool({ ...parseDatabaseUrl(databaseUrl), max: 1, idleTimeoutMillis: 0 })
  pool.on('error', () => undefined)
  try {
    const factory = bindMigrationAwareSqlAdapterFactory(createAdapterFactory(pool))
    const engine = await Engine.new({ datamodels: [['schema.prisma', schema]] }, () => undefined, factory)
    try {
      return await work(engine)
    } finally {
      engine.free()
    }
  } finally {
    await pool.end()
  }
}

/** Prisma's adapter with two faults put right that only migrations meet. */
function createAdapterFactory(pool: pg.Pool): PrismaPg {
  const charColumns = recordCharColumns(pool)
  const factory = new PrismaPg(pool)
  const connect = factory.connect.bind(factory)
  factory.connect = async () => {
    const adapter = await connect()
    const queryRaw = adapter.queryRaw.bind(adapter)
    adapter.queryRaw = async (query) => {
      const result = await queryRaw(query)
      for (const index of charColumns.get(result.rows) ?? [])
        result.columnTypes[index] = ColumnTypeEnum.Character
      return result
    }
    // The adapter cuts a migration at every semicolon, also within comments and function bodies, and runs the
    // pieces one by one. Sent whole, as Prisma's native engine does, a migration is one transaction.
    adapter.executeScript = async (script) => {
      try {
        await pool.query(script)
      } catch (error) {
        throw error instanceof pg.DatabaseError ? asAdapterError(error) : error
      }
    }
    return adapter
  }
  return factory
}

/** Lets results with "char" columns pass the adapter as text; which columns those are is kept by their rows. */
function recordCharColumns(pool: pg.Pool): WeakMap<object, number[]> {
  const charColumns = new WeakMap<object, number[]>()
  const query = pool.query.bind(pool) as (config: unknown) => Promise<pg.QueryArrayResult>
  const recordingQuery = async (config: unknown) => {
    const result = await query(config)
    for (const [index, field] of (result.fields ?? []).entries()) {
      if (field.dataTypeID !== CHAR_TYPE) continue
      field.dataTypeID = TEXT_TYPE
      charColumns.set(result.rows, [...(charColumns.get(result.rows) ?? []), index])
    }
    return result
  }
  pool.query = recordingQuery as typeof pool.query
  return charColumns
}

/** The form in which the engine can record and report it. */
function asAdapterError(error: pg.DatabaseError): DriverAdapterError {
  return new DriverAdapterError({
    kind: 'postgres',
    code: error.code ?? 'N/A',
    severity: error.severity ?? 'N/A',
    message: error.message,
    detail: error.detail,
    column: error.column,
    hint: error.hint,
  })
}

/** The package is made for bundlers; this is what a bundler's WebAssembly import would do. */
async function loadEngineClass(): Promise<typeof SchemaEngine> {
  const gluePath = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm/schema_engine_bg')
  const glue: Glue = await import(pathToFileURL(gluePath).href)
  const code = await readFile(gluePath.replace(/\.js$/, '.wasm'))
  const { instance } = await WebAssembly.instantiate(code, {
    './schema_engine_bg.js': { ...glue, ...timersThatLetGo(glue) },
  })
  glue.__wbg_set_wasm(instance.exports)
  // Where the engine leaves its last words when it fails in a way it did not foresee.
  Object.assign(globalThis, {
    PRISMA_WASM_PANIC_REGISTRY: {
      set_message: (message: string) => {
        throw new Error(`Prisma's schema engine failed: ${message}`)
      },
    },
  })
  const start = instance.exports.__wbindgen_start
  if (typeof start === 'function') start()
  return glue.SchemaEngine
}

/** The engine never clears the timer that bounds its wait for the lock: it must not keep a process alive. */
function timersThatLetGo(glue: Glue): Record<string, unknown> {
  const timers = Object.entries(glue).filter(([name]) => name.startsWith('__wbg_setTimeout_'))
  return Object.fromEntries(
    timers.map(([name, set]) => [
      name,
      (...args: unknown[]) => (set as (...args: unknown[]) => NodeJS.Timeout)(...args).unref(),
    ]),
  )
}
