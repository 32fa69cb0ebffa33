/** Runs one statement. `text` is a constant of store/sql; `values` are bound, never interpolated. */
export interface Sql {
  query<Row>(text: string, ...values: unknown[]): Promise<Row[]>
}
