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

export const LIVE_REPLICAS = `
SELECT count(*)::int AS "replicas" FROM replica WHERE lease_until > clock_timestamp()
`
