import type { ThroughPrisma } from './statement.ts'

/** $1 the rights that are needed on every table but the records of migrations, of which only reading is. */
const TEXT = `
SELECT c.relname AS "table", string_agg(p.name, ', ' ORDER BY p.name) AS "rights"
FROM pg_class c
CROSS JOIN unnest($1::text[]) AS p(name)
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
  AND (c.relname <> '_prisma_migrations' OR p.name = 'SELECT')
  AND NOT has_table_privilege(c.oid, p.name)
GROUP BY c.relname
ORDER BY c.relname
`

/** The rights that the role of this connection lacks, by table; none where all is well. */
export function findMissingRights(
  { throughPrisma }: ThroughPrisma,
  needed: readonly ('SELECT' | 'INSERT' | 'UPDATE' | 'DELETE')[],
): Promise<{ table: string; rights: string }[]> {
  return throughPrisma.query(TEXT, needed)
}
