export interface EventRow {
  id: string
  orderingKey: string
  routingKey: string
  type: string
  correlationId: string | null
  body: string
}

/** The events of all rows as one JSON list, in the order of the rows; `of` tells whose they are. */
export function eventsOf<Row extends { events: readonly EventRow[] }>(
  rows: readonly Row[],
  keyOf: (row: Row) => string,
): string {
  return JSON.stringify(
    rows.flatMap((row) => {
      const of = keyOf(row)
      return row.events.map((event) => ({ of, ...event }))
    }),
  )
}
