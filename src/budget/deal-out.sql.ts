/**
 * SQL: how many slots each project gets (`project_id`, `n`), as if they were dealt out one by one, round after round,
 * the longest due first. `from` is a FROM clause that brings `d.project_id`, `d.due_at` and `d.available`, what the
 * project may take. `slots` is an SQL integer; with `pool`, a column of `d`, each pool has slots of its own, which
 * `slots` names by columns of `d` as well.
 *
 * Whole rounds come to the same share for all that can take it. It is the highest of the shares that are left for a
 * project and those that can take no less, after the others: up to the first that cannot take its share in full they
 * rise, from then on they fall. What is left after these rounds goes to the longest due.
 */
export function dealOut({ from, slots, pool }: { from: string; slots: string; pool?: string }): string {
  const [inPool, andPool, ofPool] =
    pool === undefined ? ['', '', ''] : ['PARTITION BY d.pool', 'shares.pool, ', `, ${pool} AS pool`]
  return `SELECT turns.project_id, least(turns.available, turns.share) + (turns.takes_more AND turns.turn <= turns.rest)::int AS n
  FROM (
    SELECT
      shares.*,
      shares.available > shares.share AS takes_more,
      shares.slots - sum(least(shares.available, shares.share)) OVER (${inPool.replace('d.', 'shares.')}) AS rest,
      row_number() OVER (
        PARTITION BY ${andPool}shares.available > shares.share ORDER BY shares.due_at, shares.project_id
      ) AS turn
    FROM (
      SELECT
        d.*,
        (max((d.slots - d.before) / d.others) OVER (${inPool}))::int AS share
      FROM (
        SELECT
          d.project_id, d.due_at, d.available, ${slots} AS slots${ofPool},
          sum(d.available) OVER by_need - d.available AS before,
          count(*) OVER (${inPool.replace('d.pool', pool ?? '')}) - row_number() OVER by_need + 1 AS others
        ${from}
        WHERE d.available > 0
        WINDOW by_need AS (${inPool.replace('d.pool', pool ?? '')} ORDER BY d.available, d.project_id ROWS UNBOUNDED PRECEDING)
      ) d
    ) shares
  ) turns`
}
