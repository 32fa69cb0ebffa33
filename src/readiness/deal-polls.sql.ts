import { pollOnGrid } from '../attempt/insert-polls.sql.ts'

/**
 * SQL: the part of claim-polls, with its parameters, that deals the rows it has locked (due, early) out to the calls that
 * are paid for (refilled), and writes them.
 *
 * found      the rows in the order in which calls take them, with the slots that those before them take; whole are those
 *            that make a call by themselves, and only get a new id
 * postponed  rows that have no token: they wait until one may be there. Where a project has had all the calls it may
 *            have, the rest stays due
 * dealt      the other calls, and (call null) what no call had room for of a row that was taken in part
 *
 * A call's next poll is that of its member with the fewest polls, or the end of a time limit. Only when that is over the
 * limit is made anew from the members.
 */
export const DEAL_OUT = `found AS MATERIALIZED (
  SELECT placed.*,
    placed.size = $3::int AND placed.start % $3::int = 0 AND placed.start + placed.size <= placed.slots AS whole
  FROM (
    SELECT row.*, r.granted < r.calls AS short, r.granted * $3::int AS slots,
      CASE WHEN row.early OR r.granted = r.calls THEN row.due_at ELSE clock.later END AS rest_due_at,
      sum(row.size) OVER (
        PARTITION BY row.project_id ORDER BY row.early, row.polls DESC, row.size DESC, row.id
      ) - row.size AS start
    FROM (
      SELECT due.*, false AS early FROM due
      UNION ALL
      SELECT early.*, true FROM early
    ) row
    JOIN refilled r USING (project_id)
    CROSS JOIN clock
  ) placed
),
postponed AS (
  UPDATE poll p
  SET due_at = f.rest_due_at
  FROM found f
  JOIN LATERAL (SELECT f.id OFFSET 0) one_row_hint USING (id)
  WHERE p.id = f.id AND f.short AND NOT f.early AND f.start >= f.slots
),
dealt AS (
  SELECT slot.project_id, slot.call, min(slot.polls) AS polls, min(slot.limit_at) AS limit_at,
    min(slot.rest_due_at) AS rest_due_at, array_agg(slot.member) AS members
  FROM (
    SELECT f.project_id, f.polls, f.limit_at, f.rest_due_at, member,
      CASE WHEN f.start + place <= f.slots THEN (f.start + place - 1)::int / $3::int END AS call
    FROM found f
    CROSS JOIN LATERAL unnest(f.members) WITH ORDINALITY AS m(member, place)
    WHERE f.start < f.slots AND NOT f.whole
  ) slot
  GROUP BY slot.project_id, slot.call
),
next AS MATERIALIZED (
  SELECT row.*, gen_random_uuid() AS id, bound.at AS next_limit_at,
    CASE
      WHEN row.call IS NULL THEN row.rest_due_at
      ELSE least(${pollOnGrid('pace.ms')}, greatest(clock.later, bound.at))
    END AS next_due_at
  FROM (
    SELECT f.id AS known_id, f.project_id, 0 AS call, f.polls, f.limit_at, f.rest_due_at, f.members
    FROM found f
    WHERE f.whole
    UNION ALL
    SELECT NULL, dealt.* FROM dealt
  ) row
  CROSS JOIN clock
  CROSS JOIN LATERAL (
    SELECT ($2::float8[])[least(row.polls + 1, cardinality($2::float8[]))] AS ms
  ) pace
  CROSS JOIN LATERAL (
    SELECT CASE
      WHEN row.limit_at > clock.ts THEN row.limit_at
      ELSE (
        SELECT to_timestamp(min(coalesce((m->>2)::float8 + $10::float8, (m->>1)::float8 + $6::float8)) / 1000)
        FROM unnest(row.members::json[]) m
      )
    END AS at
  ) bound
),
moved_on AS (
  UPDATE poll p
  SET id = n.id, due_at = n.next_due_at, limit_at = n.next_limit_at, polls = p.polls + 1
  FROM next n
  JOIN LATERAL (SELECT n.known_id OFFSET 0) one_row_hint USING (known_id)
  WHERE p.id = n.known_id
),
taken AS (
  DELETE FROM poll p
  USING found f
  JOIN LATERAL (SELECT f.id OFFSET 0) one_row_hint USING (id)
  WHERE p.id = f.id AND f.start < f.slots AND NOT f.whole
),
placed AS (
  INSERT INTO poll (id, project_id, due_at, limit_at, polls, members)
  SELECT n.id, n.project_id, n.next_due_at, n.next_limit_at, n.polls + (n.call IS NOT NULL)::int, n.members
  FROM next n
  WHERE n.known_id IS NULL
)`
