import { toJson } from '../database/json.ts'
export interface EventRow {
  id: string
  orderingKey: string
  routingKey: string
  type: string
  correlationId: string | null
  /** The message body, cut wherever the time of its transition stands: only the database knows it. */
  body: readonly string[]
}

/** SQL: a body's pieces joined by a time, which is written as consumers read it. */
export function bodyAt(pieces: string, time: string): string {
  return `array_to_string(${pieces}, to_char(${time} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))`
}

/**
 * SQL: appends the events of a JSON list (eventsOf), in its order, each where `join` finds the row it belongs to, with
 * the time of that row. `time` is a column of the precision of the stored times, so that both read alike.
 */
export function appendEvents({ list, join, time }: { list: string; join: string; time: string }): string {
  return `INSERT INTO outbox_event (id, ordering_key, routing_key, type, correlation_id, body)
  SELECT e."id", e."orderingKey", e."routingKey", e."type", e."correlationId", ${bodyAt('e."body"', time)}
  FROM ROWS FROM (
    json_to_recordset(${list}::json) AS (
      "of" uuid, "id" uuid, "orderingKey" text, "routingKey" text, "type" text, "correlationId" text, "body" text[]
    )
  ) WITH ORDINALITY AS e("of", "id", "orderingKey", "routingKey", "type", "correlationId", "body", "place")
  ${join}
  ORDER BY e."place"`
}

/**
 * SQL: the time of a change of request `r`. Its times never run backwards: neither when another change was under way
 * while this one read the clock, nor when the database has got another clock.
 */
export const CHANGED_AT = 'greatest(clock.ts, r.updated_at)'

/** The events of all rows as one JSON list, in the order of the rows; `of` tells whose they are. */
export function eventsOf<Row extends { events: readonly EventRow[] }>(
  rows: readonly Row[],
  keyOf: (row: Row) => string,
): string {
  return toJson(
    rows.flatMap((row) => {
      const of = keyOf(row)
      return row.events.map((event) => ({ of, ...event }))
    }),
  )
}
