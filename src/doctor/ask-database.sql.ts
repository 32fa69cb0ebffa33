/** Who answers, and as whom. */
export const THE_SERVER = `
SELECT
  current_setting('server_version') AS "version",
  current_user::text AS "role",
  current_database()::text AS "database",
  pg_is_in_recovery() AS "standby",
  coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS "encrypted",
  extract(epoch FROM clock_timestamp())::float8 * 1000 AS "time"
`

/** The rights on tables that the role lacks, as text. */
export const LACKING_RIGHTS = `
SELECT t.relname::text AS "name", string_agg(wanted.right_name, ', ' ORDER BY wanted.right_name) AS "rights"
FROM pg_class t
CROSS JOIN unnest(
  CASE WHEN t.relname = '_prisma_migrations' THEN ARRAY['SELECT'] ELSE ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'] END
) AS wanted (right_name)
WHERE t.relnamespace = current_schema()::regnamespace
  AND t.relkind IN ('r', 'p')
  AND NOT has_table_privilege(t.oid, wanted.right_name)
GROUP BY t.relname
ORDER BY t.relname
`

export const LIVE_REPLICAS = `
SELECT count(*)::int AS "replicas" FROM replica WHERE lease_until > clock_timestamp()
`
