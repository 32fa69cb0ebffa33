/**
 * SQL: the time of a change of request `r`, in the precision in which it is stored. Its times never run backwards:
 * neither when another change was under way while this one read the clock, nor when the database has got another clock.
 */
export const CHANGED_AT = 'greatest(clock.ts::timestamptz(3), r.updated_at)'

/** SQL: a time as history and polls write it, in milliseconds since 1970. */
export function inMs(time: string): string {
  return `(extract(epoch FROM ${time}) * 1000)::bigint`
}

/** SQL: one line of a history; `change` is a JSON text that begins with a brace (history.ts). */
export function historyLine({
  version,
  at,
  change,
}: {
  version: string
  at: string
  change: string
}): string {
  return `'{"v":' || ${version} || ',"at":' || ${inMs(at)} || ',' || substr(${change}, 2) || E'\\n'`
}

/** SQL: the history of `r` with one more line, that of a change which raises its version. */
export function withChange(change: string): string {
  return `r.history || ${historyLine({ version: '(r.version + 1)', at: CHANGED_AT, change })}`
}

/**
 * SQL: stores what this statement's changes owe to consumers as one segment of the outbox. `from` brings one row for
 * each change with events, `id` and `version` are those of its request, `instances` is a JSON text of the ids that ended
 * with it, each after a comma (record-observations), or ''.
 */
export function insertSegment({
  from,
  id,
  version,
  instances = `''`,
}: {
  from: string
  id: string
  version: string
  instances?: string
}): string {
  return `INSERT INTO outbox_segment (refs)
  SELECT string_agg('["' || ${id} || '",' || ${version} || ${instances} || ']', ',')
  ${from}
  HAVING count(*) > 0`
}
