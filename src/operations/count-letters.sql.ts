import type { ThroughPrisma } from '../database/database.ts'

/**
 * Letters of the index that no run has published again, by code, the most first.
 *
 * $1 codes, $2 most letters of each that are counted.
 */
const TEXT = `
SELECT c.code, count(*)::int AS "count", max(letter.at) AS "newest"
FROM unnest($1::text[]) AS c(code)
CROSS JOIN LATERAL (
  SELECT d.at
  FROM dead_letter d
  WHERE d.code = c.code AND d.replayed_at IS NULL
  ORDER BY d.at DESC
  LIMIT $2::int
) letter
GROUP BY c.code
ORDER BY count(*) DESC, c.code
`

export function countLetters(
  { throughPrisma }: ThroughPrisma,
  { codes, most }: { codes: readonly string[]; most: number },
): Promise<{ code: string; count: number; newest: Date }[]> {
  return throughPrisma.query(TEXT, [...codes], most)
}
