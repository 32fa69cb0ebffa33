/** Runs one statement. `text` is a constant of a file *.sql.ts; `values` are bound, never interpolated. */
export interface Sql {
  query<Row>(text: string, ...values: unknown[]): Promise<Row[]>
}

/** The same by way of the Prisma client: for statements that are not on the hot loop. Values come as Prisma's. */
export interface ThroughPrisma {
  readonly throughPrisma: Sql
}
