import { pino } from 'pino'
import { afterAll } from 'vitest'
import { createDatabase, type Database } from '../../src/database/database.ts'
import { createTestDatabase } from './database.ts'

/** A database of its own for a test file, its Prisma client included; call it in beforeAll, `close` in afterAll. */
export async function openTestDatabase(): Promise<{ database: Database; close: () => Promise<void> }> {
  const created = await createTestDatabase()
  const database = createDatabase({ url: created.url, poolSize: 8, logger: pino({ level: 'silent' }) })
  return {
    database,
    close: async () => {
      await database.close()
      await created.drop()
    },
  }
}

/** The same, closed after the last test of the file. */
export async function useTestDatabase(): Promise<Database> {
  const { database, close } = await openTestDatabase()
  afterAll(close)
  return database
}

/** From this size on a table is truncated: its dead rows would be in the way. */
const LARGE_BYTES = 1_000_000

/**
 * Empties the tables, so that each test has the database to itself. Rows are deleted, after waiting for all who write,
 * where they are few: a truncation makes new files of every table and index, and all connections plan anew.
 */
export async function clearTables(database: Database): Promise<void> {
  await database.query(
    `DO $$
     DECLARE
       tables regclass[] := ARRAY['provision_request', 'history_part', 'claim', 'look', 'instance', 'poll',
         'outbox_segment', 'rate_bucket', 'credential_bucket', 'replica', 'duty_lease', 'retired_key', 'audit_entry',
         'dead_letter', 'operation_run', 'spoken_server', 'limit_override', 'pause', 'forecast', 'boot_curve',
         'flow_count'];
       name regclass;
     BEGIN
       EXECUTE 'LOCK TABLE ' || array_to_string(tables, ', ') || ' IN EXCLUSIVE MODE';
       FOREACH name IN ARRAY tables LOOP
         IF pg_relation_size(name) > ${LARGE_BYTES} THEN
           EXECUTE 'TRUNCATE ' || name;
         ELSIF pg_relation_size(name) > 0 THEN
           EXECUTE 'DELETE FROM ' || name;
         END IF;
       END LOOP;
     END $$`,
  )
}
