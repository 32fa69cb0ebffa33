import type { ThroughPrisma } from './statement.ts'

/** Rights on tables that `npm run migrate -- --grant-api` gives, and `--grant`. */
export const READING = ['SELECT'] as const
export const WRITING = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'] as const
export type NeededRights = typeof READING | typeof WRITING

/**
 * Tables of another owner than that of the migrations are none of ours.
 *
 * $1 the rights that are needed on every table but the records of migrations, of which only reading is.
 */
const TEXT = `
SELECT c.relname AS "table", string_agg(p.name, ', ' ORDER BY p.name) AS "rights"
FROM pg_class c
JOIN pg_class m ON m.relnamespace = c.relnamespace AND m.relname = '_prisma_migrations' AND m.relowner = c.relowner
CROSS JOIN unnest($1::text[]) AS p(name)
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
  AND (c.relname <> '_prisma_migrations' OR p.name = 'SELECT')
  AND NOT has_table_privilege(c.oid, p.name)
GROUP BY c.relname
ORDER BY c.relname
`

/** The rights that the role of this connection lacks, as `INSERT, UPDATE on claim`; none where all is well. */
export async function findMissingRights(
  { throughPrisma }: ThroughPrisma,
  needed: NeededRights,
): Promise<string[]> {
  const rows = await throughPrisma.query<{ table: string; rights: string }>(TEXT, needed)
  return rows.map(({ table, rights }) => `${rights} on ${table}`)
}
