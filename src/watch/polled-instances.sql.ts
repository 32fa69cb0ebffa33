import type { ThroughPrisma } from '../database/database.ts'

/** SQL: what stands for an instance where a million of them are held against each other; an int4. */
export function hashOfInstance(projectId: string, id: string, seed: string): string {
  return `(hashtextextended(${projectId} || '/' || ${id}, ${seed}) % 2147483647)::int4`
}

/** $1 seed of the hashes. */
const TEXT = `
SELECT
  extract(epoch FROM statement_timestamp())::float8 * 1000 AS "atMs",
  (
    SELECT string_agg(${hashOfInstance('p.project_id', '(m.member::json->>0)', '$1::int8')}::text, ',')
    FROM poll p
    CROSS JOIN LATERAL unnest(p.members) AS m(member)
  ) AS "hashes"
`

export interface PolledInstances {
  /** The database's time before which they were read, milliseconds since 1970. */
  atMs: number
  hashes: ReadonlySet<number>
}

/**
 * All instances that a poll is due for, in one snapshot, since polls are regrouped all the time. As hashes: some ten
 * bytes each on their way, and as small as a number can be held. Two that are alike hide a loss until a round with
 * another seed.
 */
export async function readPolledInstances(
  { throughPrisma }: ThroughPrisma,
  seed: number,
): Promise<PolledInstances> {
  const [row] = await throughPrisma.query<{ atMs: number; hashes: string | null }>(TEXT, seed)
  const { atMs = Number.NEGATIVE_INFINITY, hashes = null } = row ?? {}
  return { atMs, hashes: new Set(hashes === null ? [] : hashes.split(',').map(Number)) }
}
