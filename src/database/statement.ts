/** Runs one statement. `text` is a constant of a file *.sql.ts; `values` are bound, never interpolated. */
export interface Sql {
  query<Row>(text: string, ...values: unknown[]): Promise<Row[]>
}
