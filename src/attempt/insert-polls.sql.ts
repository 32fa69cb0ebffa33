import { inMs } from '../request/change.sql.ts'

/** Instances that one call asks for, at most: what CloudDC's ListInstances takes. */
export const MEMBERS_PER_POLL = 100

/** SQL: the step of the grid of poll times, in seconds: a fifth of an interval of `ms`. */
export function gridSeconds(ms: string): string {
  return `(${ms} / 5000)`
}

/**
 * SQL: the time of a poll `ms` from clock.ts, on the grid of that interval, so that instances created one by one come due
 * together.
 */
export function pollOnGrid(ms: string): string {
  const step = gridSeconds(ms)
  return `to_timestamp(ceil((extract(epoch FROM clock.ts)::float8 + ${ms} / 1000) / ${step}) * ${step})`
}

/**
 * SQL: a member of a poll of which nothing is recorded yet, as readiness/poll-member.ts reads it. All arguments are SQL;
 * `ranAt` is null while CloudDC has not said that it runs.
 */
export function memberOf(member: { id: string; createdAt: string; ranAt?: string }): string {
  const ranMs = member.ranAt === undefined ? `'null'` : `coalesce(${inMs(member.ranAt)}::text, 'null')`
  return `'[' || to_json(${member.id}) || ',' || ${inMs(member.createdAt)} || ',' || ${ranMs} || ',null]'`
}

/**
 * SQL: the first polls of new instances, those of a project together. `from` is a FROM clause that brings `n.project_id`
 * and `n.id`; `firstPollMs` and `timeoutMs` are SQL.
 */
export function insertPolls({
  from,
  firstPollMs,
  timeoutMs,
}: {
  from: string
  firstPollMs: string
  timeoutMs: string
}): string {
  return `INSERT INTO poll (id, project_id, due_at, limit_at, members)
  SELECT gen_random_uuid(), placed.project_id, ${pollOnGrid(firstPollMs)},
    clock.ts + make_interval(secs => ${timeoutMs} / 1000),
    array_agg(${memberOf({ id: 'placed.id', createdAt: 'clock.ts' })} ORDER BY placed.place)
  FROM (
    SELECT n.project_id, n.id, row_number() OVER (PARTITION BY n.project_id) - 1 AS place
    ${from}
  ) placed
  CROSS JOIN clock
  GROUP BY placed.project_id, placed.place / ${MEMBERS_PER_POLL}, clock.ts`
}
