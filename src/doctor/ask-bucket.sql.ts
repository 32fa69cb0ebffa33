/** The call budget of a project and of the credential that pays for it, filled to now. $1 project. */
export const THE_BUCKET = `
SELECT
  b.refill_per_second * b.rate_factor AS "perSecond",
  b.capacity AS "atOnce",
  least(
    b.capacity,
    b.tokens + greatest(0, extract(epoch FROM clock_timestamp() - b.refilled_at))::float8 * b.refill_per_second * b.rate_factor
  ) AS "tokens",
  b.blocked_reason AS "reason",
  b.blocked_until AS "until",
  coalesce(b.blocked_until > clock_timestamp(), false) AS "closed",
  b.credential_id AS "credentialId",
  c.blocked_reason AS "credentialReason",
  c.blocked_until AS "credentialUntil",
  coalesce(c.blocked_until > clock_timestamp(), false) AS "credentialClosed"
FROM rate_bucket b
LEFT JOIN credential_bucket c USING (credential_id)
WHERE b.project_id = $1
`
