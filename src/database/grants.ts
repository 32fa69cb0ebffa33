import pg from 'pg'
import { sqlState } from './errors.ts'
import { parseDatabaseUrl } from './server-address.ts'

/**
 * What a role of the service may do in the schema. `service`: read and write rows. `api`: read, and what cancelling
 * changes; it neither adds requests nor removes any. Neither changes tables.
 */
export type GrantKind = 'service' | 'api'

const SCHEMA = 'public'
const UNDEFINED_OBJECT = '42704'
/** Prisma's own records of migrations. */
const MIGRATIONS = '_prisma_migrations'

/** The columns of a request that its cancelling sets. */
export const CANCELLING_COLUMNS = [
  'state',
  'previous_state',
  'version',
  'queue_rank',
  'held_rank',
  'held_for',
  'retry_at',
  'expires_at',
  'sealed_password',
  'password_trace',
  'error_code',
  'error_message',
  'error_at',
  'completed_at',
  'exception_state',
  'updated_at',
  'history',
] as const

/** The statements for a role, to be run by the owner of the tables. */
export function grantStatements(role: string, kind: GrantKind): string[] {
  const to = pg.escapeIdentifier(role)
  const schema = `IN SCHEMA ${SCHEMA}`
  const reading = [
    `GRANT USAGE ON SCHEMA ${SCHEMA} TO ${to}`,
    `GRANT SELECT ON ALL TABLES ${schema} TO ${to}`,
    `ALTER DEFAULT PRIVILEGES ${schema} GRANT SELECT ON TABLES TO ${to}`,
  ]
  if (kind === 'api') {
    return [
      ...reading,
      `GRANT UPDATE (${CANCELLING_COLUMNS.join(', ')}) ON provision_request TO ${to}`,
      `GRANT INSERT (created_at, refs) ON outbox_segment TO ${to}`,
      `GRANT USAGE ON SEQUENCE outbox_segment_position_seq TO ${to}`,
    ]
  }
  const writing = 'INSERT, UPDATE, DELETE'
  return [
    ...reading,
    `GRANT ${writing} ON ALL TABLES ${schema} TO ${to}`,
    `REVOKE ${writing} ON ${MIGRATIONS} FROM ${to}`,
    `GRANT USAGE ON ALL SEQUENCES ${schema} TO ${to}`,
    `ALTER DEFAULT PRIVILEGES ${schema} GRANT ${writing} ON TABLES TO ${to}`,
    `ALTER DEFAULT PRIVILEGES ${schema} GRANT USAGE ON SEQUENCES TO ${to}`,
  ]
}

/** To anybody else but the owner of the tables, Postgres says no more than a warning, and grants nothing. */
const OWNER = `
SELECT current_user AS "me", relowner::regrole::text AS "owner", pg_has_role(relowner, 'USAGE') AS "mayGrant"
FROM pg_class WHERE oid = '${SCHEMA}.${MIGRATIONS}'::regclass
`

/**
 * Gives a role its rights, all or none. Throws where there is no such role, where the tables are another's than the role's
 * of the address, and what else Postgres says.
 */
export async function grant(databaseUrl: string, role: string, kind: GrantKind): Promise<void> {
  const client = new pg.Client({ ...parseDatabaseUrl(databaseUrl), connectionTimeoutMillis: 10_000 })
  client.on('error', () => undefined)
  await client.connect()
  try {
    const { rows } = await client.query<{ me: string; owner: string; mayGrant: boolean }>(OWNER)
    for (const { me, owner, mayGrant } of rows)
      if (!mayGrant)
        throw new Error(
          `${me} may not give rights: run this as ${owner}, which owns the tables (MIGRATE_DATABASE_URL)`,
        )
    await client.query(['BEGIN', ...grantStatements(role, kind), 'COMMIT'].join(';\n'))
  } catch (error) {
    if (sqlState(error) !== UNDEFINED_OBJECT) throw error
    const name = pg.escapeIdentifier(role)
    throw new Error(`there is no role ${role}: CREATE ROLE ${name} LOGIN, then run this again`, {
      cause: error,
    })
  } finally {
    await client.end().catch(() => undefined)
  }
}
